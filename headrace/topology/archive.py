"""The archive, declared: where topics are kept when Kafka no longer does, and in what files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from headrace.topology.base import Model, Name, TopicName
from headrace.topology.tree import Tree

if TYPE_CHECKING:
    from headrace.topology.model import Topology

_TIMES = ("timestamp-millis", "timestamp-micros")


class Archive(Model):
    """A file ends with the row, byte or stretch of time that fills it, whichever comes first.

    ``topics``: none named means all. ``event_time`` is a field of all their schemas by which
    archived records can be found; they are found by Kafka's timestamp in any case.
    """

    url: Annotated[str, StringConstraints(min_length=1)]
    topics: tuple[TopicName, ...] = ()
    rows_per_file: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    bytes_per_file: Annotated[int, Field(ge=1_024)] = 268_435_456
    hours_per_file: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 1
    event_time: Name | None = None


def check(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Its topics are declared and have the field that says when an event was."""
    archive = topology.archive
    if archive is None:
        return
    for i, name in enumerate(archive.topics):
        if name not in topology.topics:
            tree.problem(
                ("archive", "topics", i), name, "no such topic",
                f"declared: {', '.join(topology.topics)}",
            )  # fmt: skip
    if archive.event_time is None:
        return
    for name in archive.topics or topology.topics:
        topic = topology.topics.get(name)
        schema = schemas.get(topic.schema_) if topic else None
        if schema is None:
            continue
        field = next((f for f in schema["fields"] if f["name"] == archive.event_time), None)
        kind = field and field["type"]
        if not isinstance(kind, Mapping) or kind.get("logicalType") not in _TIMES:
            tree.problem(
                ("archive", "event_time"), archive.event_time,
                f"is no timestamp field of topic {name!r}",
                "name a field that all archived topics have, or leave it out",
            )  # fmt: skip
