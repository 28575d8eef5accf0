"""Names of schema files: ``<name>.avsc`` is version 1, ``<name>.v2.avsc`` and so on the others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = "schemas"


def file_name(name: str, version: int) -> str:
    """The file of a version."""
    return f"{name}.avsc" if version == 1 else f"{name}.v{version}.avsc"


def version_of(file: Path) -> tuple[str, int]:
    """The schema's name and the version that a file is."""
    name, dot, version = file.stem.rpartition(".v")
    return (name, int(version)) if dot and version.isdecimal() else (file.stem, 1)


def latest(folder: Path, name: str) -> Path:
    """The file of a schema's newest version; of its first one if there is none."""
    found = [file for file in folder.glob(f"{name}*.avsc") if version_of(file)[0] == name]
    return max(found, key=version_of, default=folder / file_name(name, 1))


def names(folder: Path) -> list[str]:
    """The schemas that there are files of."""
    return sorted({version_of(file)[0] for file in folder.glob("*.avsc")})
