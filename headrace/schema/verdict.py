"""The ``avro`` package's verdict on a pair of schemas."""

from __future__ import annotations

import json
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from headrace.schema.registry import AvroSchema


def objections(writer: AvroSchema, reader: AvroSchema) -> list[str]:
    """What its checker says against reading ``writer``'s records; nothing if they can be read."""
    result = ReaderWriterCompatibilityChecker().get_compatibility(_parsed(reader), _parsed(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = {kind.value.replace("_", " ") for kind in result.incompatibilities}
    return [*sorted(kinds), *sorted(result.messages)]


def _parsed(schema: AvroSchema) -> Any:
    return avro.schema.parse(json.dumps(_qualified(schema.spec, "")))


def _qualified(spec: Any, namespace: str) -> Any:
    """The same with full names as aliases of named types: the checker takes others for unknown."""
    if isinstance(spec, list):
        return [_qualified(branch, namespace) for branch in spec]
    if not isinstance(spec, dict):
        return spec
    made = dict(spec)
    if "name" in spec:
        namespace = spec["name"].rpartition(".")[0] or spec.get("namespace", namespace)
        if namespace and "aliases" in spec:
            made["aliases"] = [a if "." in a else f"{namespace}.{a}" for a in spec["aliases"]]
    for key in ("type", "items", "values"):
        if key in spec:
            made[key] = _qualified(spec[key], namespace)
    if "fields" in spec:
        made["fields"] = [
            {**field, "type": _qualified(field["type"], namespace)} for field in spec["fields"]
        ]
    return made
