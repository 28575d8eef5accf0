"""``headrace schemas``: the lock of schema versions."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import ConfigError
from headrace.schema import Registry
from headrace.schema.lock import REGISTER
from headrace.schema.register import pending, register
from headrace.schema_files import FOLDER


class Action(str, Enum):
    """What to do with schemas/registry.json."""

    CHECK = "check"
    REGISTER = "register"


def schemas(
    action: Annotated[Action, typer.Argument(help="check: compare with the lock; register: add.")],
) -> None:
    """Compare schemas/*.avsc with schemas/registry.json, or lock new versions in it.

    A new version is a new file <name>.v2.avsc that keeps the compatibility of its schema. Exit
    code 1 when it does not, 2 when a file differs from what is locked or is not locked yet.
    """
    root = Path.cwd()
    if action is Action.REGISTER:
        added = register(root / FOLDER)
        typer.echo("\n".join(f"locked {line}" for line in added) or "Nothing new to lock.")
        return
    ready = pending(root / FOLDER)
    if ready:
        titles = ", ".join(schema.title for schema in ready)
        raise ConfigError(f"{titles}: compatible, but not locked yet; lock it with '{REGISTER}'")
    registry = Registry.load(root)
    typer.echo(f"{len(registry.names)} schemas are as locked: {', '.join(sorted(registry.names))}")
