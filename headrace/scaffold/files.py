"""All of a scaffold's files or none, and none over one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

from headrace.errors import ConfigError

TOPOLOGY = "topology.yaml"


@dataclass(slots=True)
class Scaffold:
    """What is to be written: new files by their path in the project, and the topology's text."""

    new: dict[str, str] = field(default_factory=dict)
    topology: str | None = None

    def write(self, root: Path) -> list[str]:
        """Write it; say what was done, a line each. Raises ConfigError and then changes nothing."""
        there = [name for name in self.new if (root / name).exists()]
        if there:
            raise ConfigError(
                f"{', '.join(there)}: there already, and nothing is overwritten; choose another "
                "name, or move it away"
            )
        told = []
        for name, text in self.new.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            told.append(f"wrote {name}")
        if self.topology is not None:
            (root / TOPOLOGY).write_text(self.topology, encoding="utf-8")
            told.append(f"added to {TOPOLOGY}")
        return told


def filled(template: str, values: Mapping[str, object]) -> str:
    """A template of this package with its ``$names`` filled in."""
    text = (files(__package__) / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(values)
