"""``headrace schemas``: the lock of schema versions."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace.schema import Registry
from headrace.schema.lock import register


class Action(str, Enum):
    """What to do with schemas/registry.json."""

    CHECK = "check"
    REGISTER = "register"


def schemas(
    action: Annotated[Action, typer.Argument(help="check: compare with the lock; register: add.")],
) -> None:
    """Compare schemas/*.avsc with schemas/registry.json, or lock new versions in it.

    A new version is a new file <name>.v2.avsc and must be able to read all older ones. Exit code 2
    when a file differs from what is locked.
    """
    root = Path.cwd()
    if action is Action.REGISTER:
        added = register(root / "schemas")
        typer.echo("\n".join(f"locked {line}" for line in added) or "Nothing new to lock.")
        return
    registry = Registry.load(root)
    typer.echo(f"{len(registry.names)} schemas are as locked: {', '.join(sorted(registry.names))}")
