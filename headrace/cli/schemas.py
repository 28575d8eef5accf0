"""``headrace schemas``: the lock of schema versions."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import ConfigError
from headrace.schema import Registry
from headrace.schema.compatibility import Incompatible
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
    try:
        ready = pending(root / FOLDER)
    except Incompatible as error:
        raise Incompatible("\n".join([str(error), *_losses(root)])) from error
    if action is Action.REGISTER:
        lost = _losses(root) if ready else []
        added = register(root / FOLDER)
        typer.echo("\n".join(f"locked {line}" for line in added) or "Nothing new to lock.")
        for line in lost:
            typer.echo(line, err=True)
        return
    if ready:
        titles = ", ".join(schema.title for schema in ready)
        said = f"{titles}: compatible, but not locked yet; lock it with '{REGISTER}'"
        raise ConfigError("\n".join([said, *_losses(root)]))
    registry = Registry.load(root)
    typer.echo(f"{len(registry.names)} schemas are as locked: {', '.join(sorted(registry.names))}")


def _losses(root: Path) -> list[str]:
    """What the new versions take away, and what reads it."""
    from headrace.lineage.versions import report

    return [f"  - {line}" for line in report(root)]
