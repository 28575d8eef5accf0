"""Snapshots: what stores hold, compared with a JSON file that is kept beside the test."""

from __future__ import annotations

import difflib
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from headrace.memory import MemorySink

#: With this variable set to ``write``, snapshots are written instead of compared.
VARIABLE = "HEADRACE_SNAPSHOTS"


def snapshot(held: MemorySink, file: Path) -> None:
    """Compare all rows and keys with ``file``, rows without regard to their order.

    Raises AssertionError with the difference, also when there is no such file.
    """
    text = _text(held)
    if os.environ.get(VARIABLE) == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    again = f"run with {VARIABLE}=write to keep it, and review the change"
    if not file.exists():
        raise AssertionError(f"no snapshot {file}: {again}")
    kept = file.read_text(encoding="utf-8")
    if kept != text:
        lines = difflib.unified_diff(
            kept.splitlines(), text.splitlines(), str(file), "this run", lineterm=""
        )
        raise AssertionError("\n".join([f"{file} differs; if this run is right, {again}", *lines]))


def _text(held: MemorySink) -> str:
    tables = {
        table: sorted(rows, key=lambda row: json.dumps(row, default=_plain, sort_keys=True))
        for table, rows in held.tables.items()
    }
    keys: dict[str, dict[str, Any]] = {}
    for (partition, keyspace, entity), fields in held.redis.items():
        keys.setdefault(f"{keyspace}[{partition}]", {})[entity] = fields
    both = {"tables": tables, "redis": keys}
    return json.dumps(both, default=_plain, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> str:
    """Decimals, times and dates as text with all their digits; bytes as base64."""
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)
