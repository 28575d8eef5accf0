"""``headrace sync outbox``: the table that services write their events to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.security.secret import redacted
from headrace.sync import database
from headrace.sync.outbox import ddl


def outbox(
    apply: Annotated[bool, typer.Option(help="Run them on HEADRACE_POSTGRES.")] = False,
) -> None:
    """Print the statements that make the outbox's table and its publication, or run them."""
    if not apply:
        typer.echo(ddl(), nl=False)
        return
    root = Path.cwd()
    address = endpoints.optional("postgres", root)
    declared = topology.load(root)
    with audited(declared, endpoints.load(root), Act.SYNC_OUTBOX, redacted(address)):
        database.execute(address, ddl())
    typer.echo("The table 'outbox' and the publication 'headrace_outbox' are there.")
