"""A process of one piece of work, its three topics with their schemas, and its test."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import ConfigError
from headrace.scaffold.edit import has, insert
from headrace.scaffold.files import TOPOLOGY, Scaffold, filled
from headrace.schema.register import add
from headrace.schema_files import FOLDER, names

#: The topics' names and schemas behind the process's.
PARTS = ("events", "commands", "transitions")


def process(root: Path, name: str) -> list[str]:
    """Write it and lock its schemas; say what was done."""
    text = (root / TOPOLOGY).read_text(encoding="utf-8")
    taken = [
        f"{'.'.join(section)}.{one}"
        for section, one in (
            (("processes",), name),
            (("agents",), name),
            *((("topics",), f"{name}.{part}") for part in PARTS),
        )
        if has(text, (*section, one))
    ]
    there = set(names(root / FOLDER))
    taken += [f"{FOLDER}/{name}_{part}" for part in PARTS if f"{name}_{part}" in there]
    if taken:
        raise ConfigError(f"{', '.join(taken)}: there already; choose another name")
    values = {"name": name}
    text = insert(text, ("topics",), filled("process_topics.yaml.in", values))
    text = insert(text, ("processes",), filled("process.yaml.in", values))
    told = Scaffold({f"tests/test_{name}.py": filled("test_process.py.in", values)}, text).write(
        root
    )
    for part in PARTS:
        schema = add(root / FOLDER, f"{name}_{part}", filled(f"process_{part}.avsc.in", values))
        told.append(f"locked {schema.title} (id {schema.id})")
    return told
