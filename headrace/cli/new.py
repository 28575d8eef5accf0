"""``headrace new``: skeletons that work as they are, each with its test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import ConfigError
from headrace.scaffold import agent as agents
from headrace.scaffold import process as processes
from headrace.scaffold import project as projects
from headrace.scaffold import view as views

group = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")]
TopicOption = Annotated[
    str | None, typer.Option("--topic", help="The topic it reads; needed if there are several.")
]


@group.callback()
def new() -> None:
    """Write a skeleton and its test, and add it to topology.yaml. Nothing is overwritten."""


@group.command()
def view(
    name: Name,
    topic: TopicOption = None,
    by: Annotated[str | None, typer.Option("--by", help="A field of text to split it by.")] = None,
    total: Annotated[str | None, typer.Option("--sum", help="A number to sum.")] = None,
) -> None:
    """A view of a topic's events by minute, with a metric and a panel of the live page."""
    made = views.view(Path.cwd(), _checked(name), topic, by, total)
    _tell(made.write(Path.cwd()), name)


@group.command()
def agent(name: Name, topic: TopicOption = None) -> None:
    """An agent that counts a topic's events by key in Redis, and what the API answers of it."""
    made = agents.agent(Path.cwd(), _checked(name), topic)
    _tell(made.write(Path.cwd()), name)


@group.command()
def process(name: Name) -> None:
    """A process: work that is asked for, waited for, and undone when it fails (processes.md)."""
    _tell(processes.process(Path.cwd(), _checked(name)), name)


@group.command()
def project(
    folder: Annotated[Path, typer.Argument(help="A folder that is empty or not there yet.")],
) -> None:
    """A project of one topic, its schema, a raw table, the agent that fills it, and a test."""
    for line in projects.project(folder):
        typer.echo(line)
    typer.echo(f"\nGo on in {folder}: headrace check; headrace new view NAME (docs/tutorial.md)")


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise ConfigError(
            f"{name!r}: is no name; begin with a lower-case letter and go on with those, digits "
            "and underscores, 64 at most"
        )
    return name


def _tell(done: list[str], name: str) -> None:
    typer.echo("\n".join(done))
    typer.echo(f"\nNext: python -m pytest tests/test_{name}.py; headrace check; headrace plan")
