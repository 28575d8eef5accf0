"""``headrace trace``: the path of one event."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace import endpoints, logs, topology
from headrace.serve.tracing.answer import Trace
from headrace.serve.tracing.path import EventPaths, NotFound


def trace(
    event_id: Annotated[str, typer.Argument(help="The event's id, whole.")],
    topic: Annotated[str | None, typer.Option(help="Look in this topic only.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show where an event is, what it became, and when; exit code 1 if it is not found.

    Private fields are shown as <private>.
    """
    root = Path.cwd()
    paths = EventPaths(root, topology.load(root), endpoints.load(root))
    try:
        found = paths.trace(event_id, topic)
    except NotFound as error:
        logs.tell(error, 1)
        raise typer.Exit(1) from None
    if json:
        text = orjson.dumps(found.model_dump(mode="json"), option=orjson.OPT_INDENT_2)
        sys.stdout.buffer.write(text + b"\n")
        return
    _show(Console(highlight=False, soft_wrap=True), found)


def _show(console: Console, found: Trace) -> None:
    where = f"{found.topic}, partition {found.partition}, offset {found.offset}"
    console.print(f"{found.event_id}: {where}", markup=False)
    console.print(found.summary, markup=False)
    facts: list[tuple[str, Any]] = []
    if found.block is not None:
        facts.append(("block", f"{found.block.first} to {found.block.last} ({found.block.source})"))
    if found.dead_letter is not None:
        letter = found.dead_letter
        facts.append(("dead letter", f"{letter.place}, {letter.step}: {letter.reason}"))
    if found.repeats:
        facts.append(("repeats dropped", ", ".join(map(str, found.repeats))))
    if found.also:
        facts.append(("written also at", ", ".join(found.also)))
    if found.trace_id is not None:
        facts.append(("trace id", found.trace_id))
    facts += [(moment.step, _moment(moment.at)) for moment in found.times]
    facts += [(f"row of {row.table}", _json(row.columns)) for row in found.rows]
    facts += [(f"counts in {bucket.view}", _json(bucket.key)) for bucket in found.buckets]
    facts += [(key.key, "; ".join(map(_json, key.changes))) for key in found.keys]
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(name, value)
    console.print(table)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
