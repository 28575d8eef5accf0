"""``headrace dlq``: what was set aside, why, and back with it."""

from __future__ import annotations

import typer

from headrace.cli.dlq.list import list_
from headrace.cli.dlq.redrive import redrive
from headrace.cli.dlq.show import show

group = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@group.callback()
def dlq() -> None:
    """Dead letters: group them by cause, look into one, send chosen ones back once."""


group.command("list")(list_)
group.command("show")(show)
group.command("redrive")(redrive)
