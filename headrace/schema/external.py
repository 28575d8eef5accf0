"""Ids and versions from an external registry, read through Confluent's client."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

from headrace.clock import Clock, SystemClock
from headrace.errors import ConfigError, Transient
from headrace.schema.lock import read
from headrace.schema.registry import AvroSchema, Registry, fingerprint, parse
from headrace.schema_files import FOLDER

TIMEOUT_S: Final = 5.0
RETRIES: Final = 2
RETRY_MS: Final = 200
#: How long an id counts as unknown before the registry is asked again, and how many such there are.
UNKNOWN_S: Final = 10.0
MAX_UNKNOWN: Final = 10_000

T = TypeVar("T")
log = logging.getLogger(__name__)


class External:
    """One registry. Each method raises Transient while it does not answer, ConfigError if it
    refuses the credentials. Safe to use from many threads.
    """

    def __init__(self, url: str, names: Mapping[str, str], clock: Clock | None = None) -> None:
        """``names`` has the schema name of each subject; ``url`` may hold ``user:password@``."""
        self._names = names
        self._clock = clock or SystemClock()
        parts = urlsplit(url)
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._client = SchemaRegistryClient(
            {
                "url": url,
                "timeout": TIMEOUT_S,
                "max.retries": RETRIES,
                "retries.wait.ms": RETRY_MS,
                "retries.max.wait.ms": RETRY_MS,
            }
        )
        self._unknown: dict[int, float] = {}
        self._asking = threading.Lock()

    def __str__(self) -> str:
        return f"schema registry {self._shown}"

    def versions(self, subject: str) -> list[AvroSchema]:
        """All versions of a subject, oldest first; none if it has no such subject."""
        numbers = self._ask(self._client.get_versions, subject)
        found = []
        for number in numbers or []:
            one = self._ask(self._client.get_version, subject, number)
            if one is None:
                continue  # deleted meanwhile
            text = str(one.schema.schema_str)
            found.append(parse(self._names[subject], text, number, one.schema_id))
        return found

    def find(self, schema_id: int) -> AvroSchema | None:
        """The schema of an id, under the name of its subject; None if there is none.

        An unknown id is asked for again after UNKNOWN_S, so that records with many of them do not
        turn into as many requests.
        """
        with self._asking:
            if self._clock.monotonic() < self._unknown.get(schema_id, 0.0):
                return None
            found = self._look_up(schema_id)
            if found is None:
                if len(self._unknown) >= MAX_UNKNOWN:
                    self._unknown.clear()
                self._unknown[schema_id] = self._clock.monotonic() + UNKNOWN_S
            return found

    def _look_up(self, schema_id: int) -> AvroSchema | None:
        schema = self._ask(self._client.get_schema, schema_id)
        places = self._ask(self._client.get_schema_versions, schema_id)
        if schema is None or not places:
            return None
        ours = [place for place in places if place.subject in self._names]
        place = (ours or places)[0]
        name = self._names.get(place.subject, place.subject)
        try:
            return parse(name, str(schema.schema_str), place.version, schema_id)
        except ConfigError as error:
            log.warning("%s: schema id %d is of no use: %s", self, schema_id, error)
            return None

    def _ask(self, question: Callable[..., T], *about: str | int) -> T | None:
        """The client's answer; None for what there is not."""
        try:
            return question(*about)
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                return None
            if error.http_status_code in (401, 403):
                raise ConfigError(
                    f"schema_registry: {self._shown} refuses: {error}; give its URL as "
                    "https://${env:USER}:${env:PASSWORD}@host"
                ) from error
            raise Transient(f"{self}: {error}") from error
        except Exception as error:  # of the HTTP library, which differs by the client's version
            raise Transient(f"{self} does not answer: {error!r}") from error


def connect(root: Path, url: str, topics: Mapping[str, str]) -> Registry:
    """The schemas of ``topics`` (the schema name of each) with the ids of an external registry.

    Records are read as the newest version in ``root/schemas``, which tables and agents were made
    for, whatever later ones the registry has. Raises ConfigError if it lacks that version.
    """
    names = {Registry.subject(topic): name for topic, name in topics.items()}
    external = External(url, names)
    local = read(root / FOLDER)
    schemas: dict[str, list[AvroSchema]] = {}
    for subject, name in names.items():
        if name not in local:
            raise ConfigError(f"no schema {name!r} in {FOLDER}/")
        reader = local[name][-1]
        versions = external.versions(subject)
        place = _place(versions, reader)
        if place is None:
            raise ConfigError(
                f"{external} does not have {reader.title} under {subject!r} (it has "
                f"{len(versions)} others); register it there before it is used here"
            )
        schemas.setdefault(name, versions[: place + 1])
    return Registry(schemas, external.find)


def _place(versions: list[AvroSchema], wanted: AvroSchema) -> int | None:
    digest = fingerprint(wanted.spec)
    return next((i for i, one in enumerate(versions) if fingerprint(one.spec) == digest), None)
