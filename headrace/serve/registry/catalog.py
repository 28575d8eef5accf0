"""The project's schemas as subjects: a topic's values are ``<topic>-value``."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import ConfigError
from headrace.schema import AvroSchema, Registry
from headrace.schema.compatibility import Level
from headrace.schema.register import add
from headrace.schema.registry import fingerprint, parse
from headrace.schema.watch import Watch
from headrace.schema_files import FOLDER
from headrace.serve.registry.wire import (
    AVRO,
    Submitted,
    invalid_schema,
    invalid_version,
    no_schema,
    no_subject,
    no_version,
)
from headrace.topology.model import Topology

LATEST = "latest"
MAX_VERSION = 2**31 - 1


class Catalog:
    """Shows what is locked now, whoever locked it. All methods raise ConfigError if files and lock
    differ, and RegistryError, which is the answer, for what there is not.
    """

    def __init__(self, root: Path, topology: Topology) -> None:
        """Raises ConfigError if the schemas are not as locked."""
        self._folder = root / FOLDER
        self._names = {
            Registry.subject(topic): declared.schema_ for topic, declared in topology.topics.items()
        }
        self._watch = Watch(self._folder)
        self._watch.now()

    @property
    def subjects(self) -> list[str]:
        """The topics' subjects, by name."""
        versions = self._watch.now().versions
        return sorted(subject for subject, name in self._names.items() if name in versions)

    def versions(self, subject: str) -> list[AvroSchema]:
        """All versions of a subject, oldest first."""
        found = self._watch.now().versions.get(self._names.get(subject, ""))
        if found is None:
            raise no_subject(subject)
        return found

    def version(self, subject: str, number: str) -> AvroSchema:
        """One version by its number or ``latest``."""
        versions = self.versions(subject)
        if number in (LATEST, "-1"):
            return versions[-1]
        if not number.isdecimal() or not 1 <= int(number) <= MAX_VERSION:
            raise invalid_version(number)
        if int(number) > len(versions):
            raise no_version(int(number))
        return versions[int(number) - 1]

    def same(self, subject: str, submitted: Submitted) -> AvroSchema | None:
        """The version of a subject that has the submitted content, if one has."""
        versions = self.versions(subject)
        digest = fingerprint(self.parsed(subject, submitted).spec)
        return next((one for one in versions if fingerprint(one.spec) == digest), None)

    def parsed(self, subject: str, submitted: Submitted) -> AvroSchema:
        """The submitted schema as the next version of a subject; raises RegistryError."""
        if submitted.schema_type != AVRO:
            raise invalid_schema(f"schemaType is {submitted.schema_type!r}, only AVRO is served")
        if submitted.references:
            raise invalid_schema(
                "references are not supported: put the named types into the schema"
            )
        older = self.versions(subject)
        try:
            return parse(older[-1].name, submitted.schema_, older[-1].version + 1, 0)
        except ConfigError as error:
            raise invalid_schema(str(error)) from error

    def register(self, subject: str, submitted: Submitted) -> AvroSchema:
        """Lock a new version; raises RegistryError or Incompatible."""
        new = self.parsed(subject, submitted)
        return add(self._folder, new.name, submitted.schema_)

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of an id."""
        found = self._watch.now().by_id.get(schema_id)
        if found is None:
            raise no_schema(f"Schema {schema_id}")
        return found

    def subjects_of(self, schema: AvroSchema) -> list[str]:
        """The subjects that have a schema: topics may share one."""
        return sorted(subject for subject, name in self._names.items() if name == schema.name)

    def level(self, subject: str) -> Level:
        """What a new version of a subject owes to the old ones."""
        return self._watch.now().lock.level(self._names.get(subject, ""))

    def own_level(self, subject: str) -> Level | None:
        """The level that a subject has of its own."""
        return self._watch.now().lock.levels.get(self._names.get(subject, ""))

    @property
    def default_level(self) -> Level:
        """The level of subjects that have none of their own."""
        return self._watch.now().lock.compatibility
