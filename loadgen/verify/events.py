"""Decoding values of the log with fastavro alone: no code of the pipeline."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro

_HEADER = 5


class Undecodable(ValueError):
    """The value is no event of a known schema."""


def _without_logical_types(node: Any) -> Any:
    """The same schema, read as plain numbers and bytes."""
    if isinstance(node, list):
        return [_without_logical_types(n) for n in node]
    if isinstance(node, Mapping):
        return {
            name: _without_logical_types(value)
            for name, value in node.items()
            if name != "logicalType"
        }
    return node


class Decoder:
    """Reads framed values by their schema id, as their topic's newest schema."""

    def __init__(self, root: Path) -> None:
        folder = root / "schemas"
        registry = json.loads((folder / "registry.json").read_text(encoding="utf-8"))
        self._writers: dict[int, Any] = {}
        self._readers: dict[int, Any] = {}
        for versions in registry["subjects"].values():
            parsed = []
            for version in versions:
                raw = json.loads((folder / version["file"]).read_text(encoding="utf-8"))
                # A dictionary of its own: two versions define the same names.
                parsed.append(fastavro.parse_schema(_without_logical_types(raw), {}))
            for version, schema in zip(versions, parsed, strict=True):
                self._writers[version["id"]] = schema
                self._readers[version["id"]] = parsed[-1] if schema is not parsed[-1] else None

    def decode(self, value: bytes) -> Mapping[str, Any]:
        """The event; raises Undecodable."""
        if len(value) < _HEADER or value[0] != 0:
            raise Undecodable("no magic byte")
        number = int.from_bytes(value[1:_HEADER], "big")
        if number not in self._writers:
            raise Undecodable(f"unknown schema id {number}")
        body = io.BytesIO(value)
        body.seek(_HEADER)
        try:
            event = fastavro.schemaless_reader(body, self._writers[number], self._readers[number])
        except Exception as error:  # fastavro raises whatever the bytes lead to
            raise Undecodable(repr(error)) from error
        if body.tell() != len(value):
            raise Undecodable("trailing bytes")
        if not isinstance(event, dict):
            raise Undecodable("not a record")
        return event
