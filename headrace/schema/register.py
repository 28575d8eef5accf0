"""New versions of schemas: judged against the lock, then locked in it."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.errors import ConfigError
from headrace.schema.compatibility import Incompatible, faults, require
from headrace.schema.lock import Entry, Lock, load, version
from headrace.schema.registry import LOCK, AvroSchema, fingerprint, parse
from headrace.schema_files import file_name, version_of


def pending(folder: Path) -> list[AvroSchema]:
    """The files that are not locked yet, as the versions that they would become.

    Raises ConfigError if one is no schema or not the next version, and Incompatible, with
    everything that breaks, if one may not follow the versions before it.
    """
    _, found = _judged(folder)
    return found


def register(folder: Path) -> list[str]:
    """Lock the files that are not locked yet; say what was added.

    Raises as :func:`pending` does, and then changes nothing.
    """
    with _alone(folder):
        lock, found = _judged(folder)
        _write(folder, _extended(lock, found))
    return [
        f"{schema.title} (id {schema.id}): {file_name(schema.name, schema.version)}"
        for schema in found
    ]


def add(folder: Path, name: str, text: str) -> AvroSchema:
    """Write ``text`` as the next version of a schema and lock it; the same text is added once.

    Raises ConfigError if it is no schema, Incompatible if it may not follow the older versions.
    """
    with _alone(folder):
        lock = load(folder)
        older = _versions(folder, name, lock)
        new = parse(name, text, len(older) + 1, _next_id(lock))
        digest = fingerprint(new.spec)
        same = next((old for old in older if fingerprint(old.spec) == digest), None)
        if same is not None:
            return same
        require(new, older, lock.level(name))
        path, content = folder / file_name(name, new.version), _pretty(new.spec)
        if path.exists() and path.read_text(encoding="utf-8") != content:
            raise ConfigError(
                f"{path.name}: is there but not locked; lock or remove it before another is added"
            )
        _replace(path, content)  # before the lock: a crash between leaves what can be added again
        _write(folder, _extended(lock, [new]))
        return new


def _judged(folder: Path) -> tuple[Lock, list[AvroSchema]]:
    lock = load(folder) if (folder / LOCK).exists() else Lock(subjects={})
    found: list[AvroSchema] = []
    broken: list[str] = []
    versions: dict[str, list[AvroSchema]] = {}
    for file in sorted(folder.glob("*.avsc"), key=version_of):
        if file.name in lock.files:
            continue
        name, number = version_of(file)
        known = versions.setdefault(name, _versions(folder, name, lock))
        if number != len(known) + 1:
            raise ConfigError(
                f"{file.name}: would be version {number} of {name!r}, but the next one is "
                f"{len(known) + 1}; rename the file"
            )
        new = parse(name, file.read_text(), number, _next_id(lock) + len(found))
        broken += [f"{file.name}: {fault}" for fault in faults(new, known, lock.level(name))]
        known.append(new)
        found.append(new)
    if broken:
        levels = {lock.level(name).value for name in versions}
        listing = "\n".join(f"  - {one}" for one in broken)
        raise Incompatible(f"not compatible ({', '.join(sorted(levels))}):\n{listing}")
    return lock, found


def _versions(folder: Path, name: str, lock: Lock) -> list[AvroSchema]:
    return [version(folder, name, entry) for entry in lock.subjects.get(name, [])]


def _next_id(lock: Lock) -> int:
    ids = (entry.id for entries in lock.subjects.values() for entry in entries)
    return 1 + max(ids, default=0)


def _extended(lock: Lock, added: list[AvroSchema]) -> Lock:
    subjects = {name: list(entries) for name, entries in lock.subjects.items()}
    for new in added:
        entry = Entry(
            version=new.version,
            id=new.id,
            file=file_name(new.name, new.version),
            fingerprint=fingerprint(new.spec),
        )
        subjects.setdefault(new.name, []).append(entry)
    return lock.model_copy(update={"subjects": subjects})


def _write(folder: Path, lock: Lock) -> None:
    _replace(folder / LOCK, _pretty(lock.model_dump(mode="json")))


def _pretty(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds versions meanwhile: the folder itself is locked, until this process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """Write a file so that readers see the old content or all of the new."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
