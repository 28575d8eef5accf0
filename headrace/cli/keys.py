"""``headrace keys``: the master key and the key ring of private data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.private.master import make_key_file
from headrace.private.opening import key_ring
from sinks.factory import make_key_store


class Action(str, Enum):
    """What to do with the keys."""

    INIT = "init"
    CHECK = "check"


def keys(
    action: Annotated[
        Action, typer.Argument(help="init: a local master key; check: does the ring open?")
    ],
) -> None:
    """Make a local master key, or check that the master key opens the key ring.

    check exits with 1 when the ring's Redis could lose keys: a lost key is lost data.
    """
    root = Path.cwd()
    if action is Action.INIT:
        path = make_key_file(root)
        typer.echo(f"{path}: a new master key. Keep a copy: without it private data is lost.")
        return
    declared, where = topology.load(root), endpoints.load(root)
    ring = key_ring(root, declared, make_key_store(declared, where))
    faults = ring.check()
    ring.close()
    for fault in faults:
        typer.echo(f"headrace: key ring: {fault}", err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("The master key opens the key ring, and its Redis keeps what it acknowledges.")
