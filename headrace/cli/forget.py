"""``headrace forget``: erase a person, and prove it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace import audit, endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.client.search import LogSearch
from headrace.errors import ConfigError
from headrace.lag import LagReader
from headrace.private import erasure
from headrace.private.erasure import Found
from headrace.private.opening import key_ring
from headrace.topology.model import Topology
from sinks.factory import make_erasers, make_key_store

POLL_S = 0.5


def forget(
    person: Annotated[str, typer.Argument(help="The person's id, as events name it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Wait so many seconds for workers to pass the log's end.")
    ] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Destroy a person's key, delete their rows and keys, and search for what is left.

    Exit code 1 if anything is. It can't be undone, and it is safe to repeat.
    """
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    if not declared.of_persons():
        raise ConfigError(
            "topology.yaml: topics: none declares person: nothing says whose records are whose; "
            "add person: the field that names the person"
        )
    if not yes:
        typer.confirm("Everything of this person becomes unreadable for ever. Go on?", abort=True)
    ring = key_ring(root, declared, make_key_store(declared, where))
    erasers = make_erasers(declared, where, root)
    subject = audit.person(person, audit.key.load())
    try:
        with audited(declared, where, Act.FORGET, subject) as told:
            destroyed = erasure.destroy_key(person, ring)
            told["key_destroyed"] = str(destroyed).lower()
            undelivered = _pass_the_end(where.kafka, declared, wait)
            ids, deleted = erasure.erase(person, erasers)
            told["deleted"] = str(deleted)
            found = erasure.search(person, ids, ring, erasers)
            found += [*LogSearch(root, declared, where.kafka).find(person, ring), *undelivered]
            left = sum(item.left for item in found)
            told["left"] = str(left)
    finally:
        for eraser in erasers:
            eraser.close()
        ring.close()
    if json:
        report = {
            "forgotten": not left,
            "key_destroyed": destroyed,
            "searched": [asdict(item) for item in found],
        }
        typer.echo(orjson.dumps(report).decode())
    else:
        _show(found, left, destroyed)
    if left:
        raise typer.Exit(1)


def _pass_the_end(bootstrap: str, declared: Topology, wait: float) -> list[Found]:
    """Wait until what was sent before the key was destroyed is delivered: it makes rows."""
    partitions = declared.topic_partitions(declared.of_persons())
    deadline = time.monotonic() + wait
    pause = threading.Event()
    with LagReader(bootstrap, declared.name, partitions) as reader:
        lags = reader.read()
        ends = {tp: lag.end for tp, lag in lags.items()}
        while True:
            behind = {
                tp: max(0, ends[tp] - max(lag.begin, lag.committed or 0))
                for tp, lag in lags.items()
            }
            if not any(behind.values()) or time.monotonic() >= deadline:
                break
            pause.wait(POLL_S)
            lags = reader.read()
    total = sum(lag.end - lag.begin for lag in lags.values())
    left = sum(behind.values())
    return [Found("kafka", total, left, "records that no worker has delivered yet")]


def _show(found: Sequence[Found], left: int, destroyed: bool) -> None:
    console = Console()
    table = Table("searched", "items", "left", "of")
    for item in found:
        table.add_row(item.where, f"{item.searched:,}", f"{item.left:,}", item.what)
    console.print(table)
    key = "The key is destroyed" if destroyed else "There was no key (any more)"
    verdict = "[bold red]not forgotten[/]" if left else "[bold green]forgotten[/]"
    console.print(f"{key}; {verdict}: {left:,} items left")
