"""``headrace sync run``: a table's changes to events."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.errors import Transient
from headrace.private.opening import key_ring
from headrace.sync.runner import Runner
from sinks.factory import make_key_store

PAUSE_S = 1.0


def run(
    name: Annotated[str, typer.Argument(help="An entry of sync.changes in topology.yaml.")],
) -> None:
    """Send the events that a table's changes mean, until Ctrl-C or SIGTERM.

    One process an entry: a second one ends the first. Kafka's troubles are waited for; a change
    that can't be made an event ends it with exit code 1, in front of that change.
    """
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sent = 0

    def told(_: int, events: int) -> None:
        nonlocal sent
        sent += events

    while not stop.is_set():
        runner = Runner(
            root, declared, name, where.kafka,
            lambda: key_ring(root, declared, make_key_store(declared, where)),
        )  # fmt: skip
        try:
            with closing(runner):
                runner.start()
                runner.run(stop, told)
        except Transient as error:
            typer.echo(f"headrace: {error}", err=True)
            stop.wait(PAUSE_S)
    typer.echo(f"{sent:,} events sent to {declared.sync.changes[name].topic}")
