"""``headrace down``: stop the local services."""

from __future__ import annotations

from pathlib import Path

import typer

from headrace import stack


def down() -> None:
    """Stop what 'headrace up' started; the data stays for the next time."""
    ran = stack.down(Path.cwd())
    typer.echo(f"Stopped {', '.join(ran)}." if ran else "Nothing was running.")
