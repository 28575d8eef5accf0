"""``headrace process``: what is under way, what is stuck, and how it goes on."""

from __future__ import annotations

import typer

from headrace.cli.process.diagram import diagram
from headrace.cli.process.list import list_
from headrace.cli.process.resume import resume
from headrace.cli.process.show import show

group = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@group.callback()
def process() -> None:
    """Processes: list their instances, show one, resume what is stuck, draw one."""


group.command("list")(list_)
group.command("show")(show)
group.command("resume")(resume)
group.command("diagram")(diagram)
