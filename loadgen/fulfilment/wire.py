"""Commands and events as records, by fastavro and the project's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro

from headrace.schema_files import FOLDER, latest

#: Confluent's framing: a zero byte and the schema's id in four, big-endian.
HEADER = 5


class Wire:
    """One schema of a project, in its newest version."""

    def __init__(self, root: Path, schema: str) -> None:
        path = latest(root / FOLDER, schema)
        lock = json.loads((root / FOLDER / "registry.json").read_text(encoding="utf-8"))
        ids = {entry["file"]: entry["id"] for entry in lock["subjects"][schema]}
        spec = json.loads(path.read_text(encoding="utf-8"))
        self._header: bytes = b"\0" + ids[path.name].to_bytes(HEADER - 1, "big")
        self._avro = fastavro.parse_schema(spec)
        self._decimals = [field["name"] for field in spec["fields"] if "decimal" in str(field)]

    def write(self, event: Mapping[str, Any]) -> bytes:
        """A record's value. Decimals come as text."""
        out = BytesIO()
        decimals = {name: Decimal(event[name]) for name in self._decimals if event.get(name)}
        fastavro.schemaless_writer(out, self._avro, {**event, **decimals})
        return self._header + out.getvalue()

    def read(self, value: bytes) -> dict[str, Any]:
        """What is in a record; decimals as text."""
        row = fastavro.schemaless_reader(BytesIO(value[HEADER:]), self._avro, None)
        assert isinstance(row, dict)
        decimals = {name: format(row[name], "f") for name in self._decimals if row[name]}
        return {**row, **decimals}
