"""``schemas/registry.json``: read it and compare it with the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.errors import ConfigError
from headrace.schema.compatibility import Level
from headrace.schema.registry import LOCK, AvroSchema, fingerprint, parse
from headrace.schema_files import FOLDER, file_name

REGISTER = "headrace schemas register"


class Entry(BaseModel):
    """One version: its id, the file that holds it and the fingerprint of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1)]
    id: Annotated[int, Field(ge=1, lt=2**31)]
    file: str
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Lock(BaseModel):
    """The whole file: the versions of each schema name, oldest first, and what new ones owe them.

    ``levels`` has the compatibility of the schemas that differ from ``compatibility``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compatibility: Level = Level.BACKWARD_TRANSITIVE
    levels: dict[str, Level] = Field(default_factory=dict)
    subjects: dict[str, list[Entry]]

    def level(self, name: str) -> Level:
        """What new versions of a schema owe to its old ones."""
        return self.levels.get(name, self.compatibility)

    @property
    def files(self) -> set[str]:
        """Names of all locked files."""
        return {entry.file for entries in self.subjects.values() for entry in entries}


def read(folder: Path) -> dict[str, list[AvroSchema]]:
    """All versions by name; raise ConfigError listing every way files and lock differ."""
    lock = load(folder)
    faults: list[str] = []
    schemas = _locked(folder, lock, faults)
    faults += [
        f"{path.name}: not in {LOCK}; register it with '{REGISTER}'"
        for path in sorted(folder.glob("*.avsc"))
        if path.name not in lock.files
    ]
    _refuse(faults)
    return schemas


def locked(folder: Path) -> dict[str, list[AvroSchema]]:
    """What the lock holds, whatever files are there beside; raise ConfigError if they differ."""
    faults: list[str] = []
    schemas = _locked(folder, load(folder), faults)
    _refuse(faults)
    return schemas


def _locked(folder: Path, lock: Lock, faults: list[str]) -> dict[str, list[AvroSchema]]:
    faults += _clashes(lock)
    schemas: dict[str, list[AvroSchema]] = {}
    for name, entries in lock.subjects.items():
        for entry in entries:
            try:
                schemas.setdefault(name, []).append(version(folder, name, entry))
            except ConfigError as error:
                faults.append(str(error))
    return schemas


def _refuse(faults: list[str]) -> None:
    if faults:
        listing = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigError(f"{FOLDER}/ and {FOLDER}/{LOCK} differ:\n{listing}")


def load(folder: Path) -> Lock:
    """The lock as it stands; raise ConfigError if it is missing or malformed."""
    path = folder / LOCK
    try:
        return Lock.model_validate(json.loads(path.read_text()))
    except FileNotFoundError:
        raise ConfigError(f"{path}: missing; write it with '{REGISTER}'") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}, got {item['input']!r}"
            for item in error.errors()
        )
        raise ConfigError(f"{path}: {faults}") from error


def version(folder: Path, name: str, entry: Entry) -> AvroSchema:
    """A locked version; raise ConfigError if its file is not what was locked."""
    path = folder / entry.file
    if not path.is_file():
        raise ConfigError(
            f"{entry.file}: missing, but {LOCK} locks it as {name!r} version {entry.version} (id "
            f"{entry.id}); restore it: records with that id may be in Kafka"
        )
    schema = parse(name, path.read_text(), entry.version, entry.id)
    found = fingerprint(schema.spec)
    if found != entry.fingerprint:
        raise ConfigError(
            f"{entry.file}: content {found[:12]}… differs from {name!r} version {entry.version} as "
            f"locked ({entry.fingerprint[:12]}…); undo the change: a new version is a new file, "
            f"{file_name(name, entry.version + 1)}, added by '{REGISTER}'"
        )
    return schema


def _clashes(lock: Lock) -> list[str]:
    faults = [
        f"levels in {LOCK} names {name!r}, which has no version; remove it"
        for name in lock.levels
        if name not in lock.subjects
    ]
    owners: dict[int, str] = {}
    for name, entries in lock.subjects.items():
        if not entries:
            faults.append(f"{name!r} in {LOCK} has no version; remove it or register one")
        for place, entry in enumerate(entries, 1):
            title = f"{name!r} version {entry.version}"
            if entry.version != place:
                faults.append(f"{title} in {LOCK} stands at place {place}: number versions from 1")
            if entry.id in owners:
                faults.append(f"{title} in {LOCK} has id {entry.id}, which {owners[entry.id]} has")
            owners[entry.id] = title
    return faults
