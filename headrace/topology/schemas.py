"""The newest versions of the schemas that topics name, which readers use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headrace.errors import ConfigError
from headrace.schema.registry import AvroSchema, parse
from headrace.schema_files import FOLDER, latest, version_of
from headrace.topology.model import Topology


def newest(
    topology: Topology, root: Path, instead: Mapping[str, AvroSchema]
) -> dict[str, AvroSchema]:
    """By topic; a schema that can't be read is left out, as ``checks`` notes it.

    ``instead`` has schemas, by their names, that are taken in place of the newest.
    """
    found = {
        name: instead.get(topic.schema_) or read(root, topic.schema_)
        for name, topic in topology.topics.items()
    }
    return {name: schema for name, schema in found.items() if schema is not None}


def read(root: Path, schema: str) -> AvroSchema | None:
    """The newest version of a schema, None if it can't be read."""
    path = latest(root / FOLDER, schema)
    if not path.is_file():
        return None
    try:
        return parse(path.name, path.read_text(encoding="utf-8"), version_of(path)[1], 1)
    except (ConfigError, UnicodeDecodeError):
        return None
