"""The schemas of a project, by name, version and id.

``schemas/<name>.avsc`` is the first version of each, ``<name>.v2.avsc`` and so on the later ones;
``schemas/registry.json`` locks the content that every version and id stands for, because records in
Kafka carry the id and stay. Loading refuses files that differ from their lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import avro.errors
import avro.schema
import fastavro
import polars as pl

from headrace.errors import ConfigError
from headrace.schema import types
from headrace.schema.defaults import wrong_defaults
from headrace.schema.dtypes import dtype
from headrace.schema_files import FOLDER

LOCK: Final = "registry.json"
SUBJECT_SUFFIX: Final = "-value"  # Confluent's TopicNameStrategy


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a schema as a column; ``props`` are its other attributes, such as ``pii``."""

    name: str
    dtype: pl.DataType
    nullable: bool
    doc: str
    props: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class AvroSchema:
    """One version of one schema. ``spec`` is its JSON, ``type`` the same as objects."""

    name: str
    version: int
    id: int
    spec: Any
    type: types.Record

    @property
    def title(self) -> str:
        return f"{self.name!r} version {self.version}"

    @cached_property
    def text(self) -> str:
        """The schema as registries hand it out."""
        return json.dumps(self.spec, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def columns(self) -> list[Column]:
        """The fields in the order of the schema."""
        return [
            Column(f.name, dtype(f.type, (self.type,)), _nullable(f.type), f.doc, f.props)
            for f in self.type.fields
        ]

    @cached_property
    def fast(self) -> Any:
        """The schema as fastavro takes it."""
        return fastavro.parse_schema(self.spec)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)


class Registry:
    """Every version of every schema. Made by :meth:`load`."""

    def __init__(
        self,
        schemas: Mapping[str, list[AvroSchema]],
        later: Callable[[int], AvroSchema | None] = lambda _: None,
    ) -> None:
        """``schemas``: the versions of each name, oldest first; ``later`` is asked for other ids.

        It is asked each time, so what it does not know it must know to say quickly.
        """
        self._by_name = dict(schemas)
        self._by_id = {schema.id: schema for versions in schemas.values() for schema in versions}
        self._later = later

    @classmethod
    def load(cls, root: Path) -> Registry:
        """Read ``root/schemas`` and check it against its lock.

        Raises ConfigError that lists every difference with its fix.
        """
        from headrace.schema.lock import read
        from headrace.schema.watch import Watch

        return cls(read(root / FOLDER), Watch(root / FOLDER).find)

    @property
    def names(self) -> list[str]:
        return sorted(self._by_name)

    @staticmethod
    def subject(topic: str) -> str:
        """The subject of a topic's values, as Confluent's registry names it."""
        return topic + SUBJECT_SUFFIX

    def versions(self, schema_name: str) -> list[AvroSchema]:
        """All versions, oldest first; raise ConfigError if there is no such schema."""
        if schema_name not in self._by_name:
            raise ConfigError(
                f"no schema {schema_name!r} in {FOLDER}/: there are {', '.join(self.names)}"
            )
        return self._by_name[schema_name]

    def latest(self, schema_name: str) -> AvroSchema:
        """The newest version, which readers and writers use."""
        return self.versions(schema_name)[-1]

    def find(self, schema_id: int) -> AvroSchema | None:
        """The schema of that id, if it is registered by now; raises Transient if that is open."""
        found = self._by_id.get(schema_id)
        if found is None:
            found = self._later(schema_id)
            if found is not None:
                self._by_id[schema_id] = found
        return found

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of that id; raise ConfigError if it is not registered."""
        found = self.find(schema_id)
        if found is None:
            raise ConfigError(
                f"schema id {schema_id} is not in {FOLDER}/{LOCK}: it has ids "
                f"{', '.join(map(str, sorted(self._by_id)))}"
            )
        return found


def parse(name: str, text: str, version: int, schema_id: int) -> AvroSchema:
    """One version from its file's text; raise ConfigError if it is not an Avro record."""
    try:
        spec = json.loads(text)
        avro.schema.parse(text)
        type_ = types.read(spec)
    except (ValueError, KeyError, RecursionError, avro.errors.AvroException) as error:
        raise ConfigError(f"{name}: not an Avro schema: {error}") from error
    if not isinstance(type_, types.Record):
        raise ConfigError(f"{name}: is {types.describe(type_)}, expected a record")
    wrong = list(wrong_defaults(type_))
    if wrong:
        raise ConfigError(f"{name}: {'; '.join(wrong)}")
    return AvroSchema(name, version, schema_id, spec, type_)


def canonical(spec: Any) -> str:
    """The schema's JSON without what a reader can't notice: docs, key order and white space.

    Unlike Avro's Parsing Canonical Form it keeps defaults, aliases, logical types, order and other
    attributes: all of them change what is decoded or what the pipeline does with it.
    """
    return json.dumps(_undocumented(spec), sort_keys=True, separators=(",", ":"))


def fingerprint(spec: Any) -> str:
    """SHA-256 of the canonical text, hexadecimal."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def _undocumented(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_undocumented(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    # A default is data: a key "doc" in it means something.
    return {
        key: value if key == "default" else _undocumented(value)
        for key, value in spec.items()
        if key != "doc"
    }


def _nullable(type_: types.Type) -> bool:
    return type_.kind == "null" or (isinstance(type_, types.Union) and type_.nullable)
