"""``headrace sync``: two systems that do the same, until one of them is switched off."""

from __future__ import annotations

import typer

from headrace.cli.sync.compare import compare
from headrace.cli.sync.connect import connect
from headrace.cli.sync.disconnect import disconnect
from headrace.cli.sync.outbox import outbox
from headrace.cli.sync.run import run
from headrace.cli.sync.status import status

group = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@group.callback()
def sync() -> None:
    """Move from a system on PostgreSQL: outbox, change capture, comparison (docs/migration.md)."""


group.command("outbox")(outbox)
group.command("connect")(connect)
group.command("disconnect")(disconnect)
group.command("status")(status)
group.command("run")(run)
group.command("compare")(compare)
