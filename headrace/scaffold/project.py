"""A project to begin with: one topic, its schema, one table, the agent that fills it, a test."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.errors import ConfigError
from headrace.scaffold.files import Scaffold, filled
from headrace.schema.register import register
from headrace.schema_files import FOLDER


def project(folder: Path) -> list[str]:
    """Write it into a folder that is empty or not there, and lock its schema; say what was done."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty; name a folder that is, or a new one")
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    if not re.match(r"[a-z]", name):
        raise ConfigError(f"{folder}: its name is the pipeline's, so begin it with a letter")
    values = {"name": name}
    told = Scaffold(
        {
            "topology.yaml": filled("topology.yaml.in", values),
            "schemas/visits.avsc": filled("visits.avsc.in", values),
            "agents/__init__.py": "",
            "agents/raw.py": filled("raw.py.in", values),
            "tests/test_raw.py": filled("test_raw.py.in", values),
            "pytest.ini": filled("pytest.ini.in", values),
            ".gitignore": filled("gitignore.in", values),
        }
    ).write(folder)
    return [*told, *(f"locked {line}" for line in register(folder / FOLDER))]
