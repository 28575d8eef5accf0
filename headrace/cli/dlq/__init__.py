"""``headrace dlq``: what was set aside, why, and back with it."""

from __future__ import annotations

import typer

from headrace.cli.dlq.list import list_
from headrace.cli.dlq.redrive import redrive
from headrace.cli.dlq.show import show

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def dlq() -> None:
    """Dead letters: group them by cause, look into one, send chosen ones back once."""


app.command("list")(list_)
app.command("show")(show)
app.command("redrive")(redrive)
