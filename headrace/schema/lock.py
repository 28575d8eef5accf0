"""``schemas/registry.json``: read it, compare it with the files, register new versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.errors import ConfigError
from headrace.schema.registry import FOLDER, LOCK, AvroSchema, fingerprint, parse

REGISTER = "headrace schemas register"


class Entry(BaseModel):
    """One version: its id, the file that holds it and the fingerprint of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1)]
    id: Annotated[int, Field(ge=1, lt=2**31)]
    file: str
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Lock(BaseModel):
    """The whole file: the versions of each schema name, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: dict[str, list[Entry]]


def read(folder: Path) -> dict[str, list[AvroSchema]]:
    """All versions by name; raise ConfigError listing every way files and lock differ."""
    lock = load(folder)
    faults = _clashes(lock)
    schemas: dict[str, list[AvroSchema]] = {}
    for name, entries in lock.subjects.items():
        for entry in entries:
            try:
                schemas.setdefault(name, []).append(_version(folder, name, entry))
            except ConfigError as error:
                faults.append(str(error))
    locked = {entry.file for entries in lock.subjects.values() for entry in entries}
    for path in sorted(folder.glob("*.avsc")):
        if path.name not in locked:
            faults.append(f"{path.name}: not in {LOCK}; register it with '{REGISTER}'")
    if faults:
        listing = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigError(f"{FOLDER}/ and {FOLDER}/{LOCK} differ:\n{listing}")
    return schemas


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


def _version(folder: Path, name: str, entry: Entry) -> AvroSchema:
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
            f"locked ({entry.fingerprint[:12]}…); undo the change, or make it a new version with "
            f"'{REGISTER}'"
        )
    return schema


def _clashes(lock: Lock) -> list[str]:
    faults: list[str] = []
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


def entry(name: str, version: int, schema_id: int, path: Path) -> Entry:
    """The entry that locks the content of ``path``; raise ConfigError if it is no schema."""
    spec = parse(name, path.read_text(), version, schema_id).spec
    return Entry(version=version, id=schema_id, file=path.name, fingerprint=fingerprint(spec))


def dump(lock: Lock) -> str:
    """The file's text."""
    content: dict[str, Any] = lock.model_dump()
    return json.dumps(content, indent=2) + "\n"
