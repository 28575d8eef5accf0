"""``headrace backtest``: a view from history alone, or compared with the one in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
import typer
from rich.console import Console

from headrace import endpoints, topology
from headrace.archive.history import History
from headrace.archive.reader import Archive
from headrace.backtest import asked, difference, files
from headrace.backtest.difference import Difference
from headrace.backtest.frames import Frames
from headrace.backtest.moments import Stretch, moment
from headrace.block import TopicPartition
from headrace.cli.backtest import views
from headrace.collector import calm
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, HeadraceError
from headrace.lag import LagReader
from headrace.security import grants
from headrace.topology.model import Topology


class Behind(HeadraceError):
    """The store does not hold all of the log yet, so there is nothing to compare."""


def backtest(
    view: Annotated[str, typer.Argument(help="A view of clickhouse.views or of declared.")],
    from_: Annotated[
        str | None, typer.Option("--from", help="Events from this time on: ISO 8601 or ms.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Events before this time.")] = None,
    as_of: Annotated[
        Path | None,
        typer.Option("--as-of", help="Parquet or CSV of keys and moments: the values then."),
    ] = None,
    timestamp: Annotated[
        str, typer.Option(help="The file's column of moments: times, or ms.")
    ] = "timestamp",
    out: Annotated[
        Path | None, typer.Option(help="Write the table to a Parquet or CSV file.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare it with the running ClickHouse.")
    ] = False,
    examples: Annotated[int, typer.Option(min=0, help="Differing rows to show.")] = 5,
    url: Annotated[
        str | None, typer.Option(help="The archive; default: archive.url of topology.yaml.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Evaluate a view over all of history, archive and then log, without any store.

    --compare exits with 1 when the store's table is not the same to the last decimal. --as-of adds
    to each row of a file what the view held for its key at its moment, of events until then.
    """
    if compare and (from_ or to or as_of):
        raise ConfigError("--compare: the store has all times; leave --from, --to, --as-of out")
    if as_of and (from_ or to):
        raise ConfigError("--as-of: its moments say how far; leave --from and --to out")
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    offline = views.offline(root, declared, view)
    grants.check(where.kafka, grants.archive(declared))
    settings = declared.archive
    at = url or (settings.url if settings else None)
    stretch = Stretch(offline.time, moment("--from", from_), moment("--to", to))
    given = None if as_of is None else files.read(as_of, offline.asked_key)
    wanted = None if given is None else asked.asked(given, offline.asked_key, timestamp)
    ends = _drained(declared, where, offline.topics) if compare else None
    began = time.monotonic()
    calm()
    with History(Archive(at) if at else None, where.kafka) as history:
        frames = Frames(root, declared, history)
        with _told(json) as tell:
            if given is None or wanted is None:
                table = offline.table(frames, stretch, ends, tell)
            else:
                table = offline.then(frames, given, wanted, tell)
    begins = {str(tp): begin for tp, begin in frames.begins.items() if begin}
    report: dict[str, Any] = {
        "view": view, "rows": table.height, "seconds": round(time.monotonic() - began, 3),
        "begins": begins,
    }  # fmt: skip
    if out is not None:
        files.write(table, out)
    found = None
    if compare:
        held = offline.held(where.clickhouse)
        found = difference.compare(
            table, held, offline.key, within=offline.within, examples=examples
        )
    if found is not None:
        report |= _as_dict(found)
    if json:
        typer.echo(orjson.dumps(report, default=str).decode())
    else:
        _show(report, table if out is None and found is None else None, out, found)
    if found is not None and not found.same:
        raise typer.Exit(1)


def _drained(
    declared: Topology, where: Endpoints, topics: Sequence[str]
) -> dict[TopicPartition, int]:
    """The end of each partition that feeds the view; all before it must be in the store."""
    with LagReader(where.kafka, declared.name, declared.topic_partitions(topics)) as lags:
        found = lags.read()
    behind = [f"  {tp} is {lag.behind:,} offsets behind" for tp, lag in found.items() if lag.behind]
    if behind:
        raise Behind(
            "the pipeline has not drained, so there is nothing to compare yet:\n"
            + "\n".join(behind)
        )
    return {tp: lag.end for tp, lag in found.items()}


@contextmanager
def _told(json: bool) -> Iterator[Callable[[int], None]]:
    """Shows how many events were read, where somebody looks."""
    console = Console(stderr=True)
    if json or not console.is_terminal:
        yield lambda _: None
        return
    began = time.monotonic()
    with console.status("") as status:

        def tell(read: int) -> None:
            rate = read / max(time.monotonic() - began, 1e-9)
            status.update(f"{read:,} events read, {rate:,.0f} events/s")

        yield tell


def _as_dict(found: Difference) -> dict[str, Any]:
    return {
        "same": found.same,
        "rows_in_store": found.rows[1],
        "sums": {name: list(pair) for name, pair in found.sums.items()},
        "differing": found.differing,
        "examples": list(found.examples),
    }


def _show(
    report: Mapping[str, Any],
    table: pl.DataFrame | None,
    out: Path | None,
    found: Difference | None,
) -> None:
    for tp, begin in report["begins"].items():
        typer.echo(f"History of {tp} begins at offset {begin:,}: what was before is not known.")
    if table is not None:
        typer.echo(str(table))
    where = f" to {out}" if out else ""
    typer.echo(f"{report['view']}: {report['rows']:,} rows{where} in {report['seconds']} s")
    if found is None:
        return
    typer.echo(f"In the store: {found.rows[1]:,} rows")
    for name, (offline, store) in found.sums.items():
        typer.echo(f"  sum of {name}: {offline} offline, {store} in the store")
    for example in found.examples:
        typer.echo(f"  {example['key']}: {example['how']}")
        typer.echo(f"    offline: {example['offline']}\n    store:   {example['store']}")
    verdict = "The same" if found.same else f"Not the same: {found.differing:,} keys differ"
    typer.echo(verdict)
