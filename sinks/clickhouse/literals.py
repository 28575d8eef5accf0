"""Values as they stand in SQL."""

from __future__ import annotations


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
