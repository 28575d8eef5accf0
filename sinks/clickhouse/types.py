"""ClickHouse column types of Avro types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.errors import ConfigError

_PRIMITIVES = {
    "string": "String",
    "bytes": "String",
    "int": "Int32",
    "long": "Int64",
    "float": "Float32",
    "double": "Float64",
    "boolean": "Bool",
}
_LOGICAL = {
    "timestamp-millis": "DateTime64(3, 'UTC')",
    "timestamp-micros": "DateTime64(6, 'UTC')",
    "date": "Date32",
}


def column_type(avro: Any, where: str) -> str:
    """The column type that holds every value of an Avro type; ``where`` names the field."""
    if isinstance(avro, list):
        return _union(avro, where)
    if isinstance(avro, str):
        return _primitive(avro, where)
    return _logical(avro) or _complex(avro, where)


def _complex(avro: Mapping[str, Any], where: str) -> str:
    kind = avro["type"]
    if kind == "enum":
        return "LowCardinality(String)"
    if kind == "fixed":
        return f"FixedString({avro['size']})"
    if kind == "array":
        return f"Array({column_type(avro['items'], where)})"
    if kind == "record":
        fields = ", ".join(
            f"{f['name']} {column_type(f['type'], where + '.' + f['name'])}" for f in avro["fields"]
        )
        return f"Tuple({fields})"
    return column_type(kind, where) if kind in _PRIMITIVES else _unknown(avro, where)


def _logical(avro: Mapping[str, Any]) -> str | None:
    name = avro.get("logicalType")
    if name == "decimal":
        return f"Decimal({avro['precision']}, {avro.get('scale', 0)})"
    return _LOGICAL.get(str(name))


def _primitive(name: str, where: str) -> str:
    return _PRIMITIVES.get(name) or _unknown(name, where)


def _union(branches: list[Any], where: str) -> str:
    rest = [b for b in branches if b != "null"]
    if len(rest) != 1:
        return _unknown(branches, where)
    inner = column_type(rest[0], where)
    if inner.startswith("LowCardinality("):
        return f"LowCardinality(Nullable({inner[15:-1]}))"
    return inner if inner.startswith(("Array(", "Tuple(")) else f"Nullable({inner})"


def _unknown(avro: Any, where: str) -> str:
    raise ConfigError(
        f"schemas: field {where!r}: Avro type {avro!r} has no ClickHouse column type; use null "
        f"with one other type, or another type"
    )
