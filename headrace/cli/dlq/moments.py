"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(ms: int) -> str:
    """RFC 3339 in UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")[:-6] + "Z"
