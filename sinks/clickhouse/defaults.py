"""What rows that are older than a column hold in it: the default of its Avro field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.clickhouse.literals import text


def default_of(field: Mapping[str, Any]) -> str | None:
    """The DEFAULT of a field's column: empty where the type's own is the same; None if none is."""
    default = field.get("default")
    if default is None or default == []:
        return ""
    if not _plain(field["type"]):
        return None
    return text(default) if isinstance(default, str) else str(default).lower()


def _plain(avro: Any) -> bool:
    """Is a JSON default of that type the value itself, and not bytes or a number with a unit?"""
    if isinstance(avro, list):
        return _plain(avro[0])  # a union's default is of its first branch
    if isinstance(avro, Mapping):
        return "logicalType" not in avro and (avro["type"] == "enum" or _plain(avro["type"]))
    return avro in ("boolean", "int", "long", "float", "double", "string")
