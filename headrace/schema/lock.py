"""``schemas/registry.json``: read it, compare it with the files, register new versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.errors import ConfigError
from headrace.schema.registry import FOLDER, LOCK, AvroSchema, fingerprint, parse
from headrace.schema.resolve import Unresolvable, compile_record

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
            f"locked ({entry.fingerprint[:12]}…); undo the change: a new version is a new file, "
            f"{name}.v{entry.version + 1}.avsc, added by '{REGISTER}'"
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


def register(folder: Path) -> list[str]:
    """Add the files that the lock does not have as new versions; say what was added.

    ``<name>.avsc`` is the first version of a schema, ``<name>.v2.avsc`` and so on the later ones.
    Raises ConfigError, and changes nothing, if a file is no schema or can't read an older version.
    """
    path = folder / LOCK
    lock = load(folder) if path.exists() else Lock(subjects={})
    subjects = {name: list(entries) for name, entries in lock.subjects.items()}
    locked = {item.file for entries in subjects.values() for item in entries}
    added = []
    for file in sorted(folder.glob("*.avsc"), key=_version_of):
        if file.name in locked:
            continue
        name, version = _version_of(file)
        entries = subjects.setdefault(name, [])
        if version != len(entries) + 1:
            raise ConfigError(
                f"{file.name}: would be version {version} of {name!r}, but the next one is "
                f"{len(entries) + 1}; rename the file"
            )
        schema_id = 1 + max((e.id for known in subjects.values() for e in known), default=0)
        schema = parse(name, file.read_text(), version, schema_id)
        for older in entries:
            _compatible(_version(folder, name, older), schema, file)
        digest = fingerprint(schema.spec)
        entries.append(Entry(version=version, id=schema_id, file=file.name, fingerprint=digest))
        added.append(f"{schema.title} (id {schema_id}): {file.name}")
    content = Lock(subjects=subjects).model_dump()
    path.write_text(json.dumps(content, indent=2) + "\n")
    return added


def _version_of(file: Path) -> tuple[str, int]:
    name, dot, version = file.stem.rpartition(".v")
    return (name, int(version)) if dot and version.isdecimal() else (file.stem, 1)


def _compatible(older: AvroSchema, newer: AvroSchema, file: Path) -> None:
    """Records of old versions stay in Kafka: a new version has to read them all."""
    try:
        compile_record(older.type, newer.type)
    except Unresolvable as error:
        raise ConfigError(
            f"{file.name}: can't read records of {older.title}: {error}; give added fields a "
            "default, and change types only by Avro's promotions"
        ) from error
