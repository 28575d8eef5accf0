"""``headrace tap``: a topic's events, live."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.client.look import Tap, matches
from headrace.errors import ConfigError
from headrace.private.opening import key_ring
from sinks.factory import make_key_store


def tap(
    topic: Annotated[str, typer.Argument(help="A topic of topology.yaml.")],
    filter: Annotated[
        list[str] | None, typer.Option(help="field=value; repeat to narrow further.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All that is in the log first.")
    ] = False,
    last: Annotated[
        int | None, typer.Option(min=1, help="The last N records of each partition first.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Decrypt private fields; needs the master key.")
    ] = False,
) -> None:
    """Print events as one JSON object a line until Ctrl-C. Joins no group, commits nothing.

    Private fields are shown as <private>; with --reveal the audit has who looked, at which topic,
    and how many persons' values were opened.
    """
    root = Path.cwd()
    filters = dict(_pair(text) for text in filter or [])
    declared, where = topology.load(root), endpoints.load(root)
    ring = key_ring(root, declared, make_key_store(declared, where)) if reveal else None
    reader = Tap(root, declared, topic, where.kafka, ring)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    recording: AbstractContextManager[dict[str, str]] = (
        audited(declared, where, Act.KEY_USE, topic, {"command": "tap --reveal"})
        if reveal
        else nullcontext({})
    )
    shown = 0
    try:
        with recording as told:
            try:
                reader.start(0 if from_beginning else last, partition)
                for event in reader.events(stop):
                    if not matches(event, filters):
                        continue
                    typer.echo(orjson.dumps(event).decode())
                    shown += 1
                    if shown == limit:
                        break
            finally:
                told["persons"] = str(len(reader.opened))
    finally:
        reader.close()
        if ring is not None:
            ring.close()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--filter {text!r}: write field=value, for example type=placed")
    return name, value
