"""Moving from another system: rows of its tables as events, and its figures beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any
from typing import Literal as OneOf

from pydantic import Field, model_validator

from headrace.topology.base import KeyspaceName, Model, Name, TopicName
from headrace.topology.intake import Literal, Path, Source, sources, wrong_fields
from headrace.topology.tree import Tree

if TYPE_CHECKING:
    from headrace.topology.model import Topology

#: Where, what stands there, what is wrong with it and how to mend it.
Wrong = tuple[tuple[str | int, ...], Any, str, str]
#: Members of one of Debezium's change events.
MEMBERS = ("before", "after", "source", "op", "ts_ms", "ts_us", "ts_ns", "transaction")


class Happening(Model):
    """The event that a change of a row means.

    It does if the change is one of ``when``, each path of ``where`` leads to the value there (or
    one of them) and, of an update, a column of ``changed`` is another than before. ``fields`` are
    as those of ``intake``; paths lead into Debezium's change event.

    What the paths of ``id`` lead to says which event it is: it counts once, also when another
    snapshot tells of it again. Without it that is the change's place in the database's log.
    """

    when: Annotated[
        tuple[OneOf["snapshot", "insert", "update", "delete"], ...], Field(min_length=1)
    ]
    where: dict[Path, Literal | tuple[Literal, ...]] = Field(default_factory=dict)
    changed: tuple[str, ...] = ()
    id: tuple[Path, ...] = ()
    fields: Annotated[dict[Name, Path | Source], Field(min_length=1)]

    @property
    def sources(self) -> Mapping[str, Source]:
        """The source of each field."""
        return sources(self.fields)


class Changes(Model):
    """Debezium's topic ``from`` of one table, and the events of ``topic`` that its changes mean.

    A change means each of ``events`` that it fits, in their order; it may mean none.
    """

    from_: TopicName = Field(alias="from")
    topic: TopicName
    doc: str = ""
    owner: str = ""
    events: Annotated[tuple[Happening, ...], Field(min_length=1)]


class Compare(Model):
    """A question whose answers, the old system's and ours, must be the same rows.

    ``old`` is SQL for its PostgreSQL. Ours is ``new``, SQL for ClickHouse, or the keyspace
    ``read_model``, read by the ids that ``old`` finds. All columns are compared; ``key`` names
    those that say which row is which.
    """

    old: Annotated[str, Field(min_length=1)]
    new: str | None = None
    read_model: KeyspaceName | None = None
    key: Annotated[tuple[str, ...], Field(min_length=1)]
    doc: str = ""
    owner: str = ""

    @model_validator(mode="after")
    def _one_of(self) -> Compare:
        if (self.new is None) == (self.read_model is None):
            raise ValueError("give one of 'new' and 'read_model'")
        if self.read_model is not None and len(self.key) != 1:
            raise ValueError("a read model has one id: name one column in 'key'")
        return self


class Sync(Model):
    """What is there only as long as two systems do the same (docs/migration.md)."""

    changes: dict[Name, Changes] = Field(default_factory=dict)
    compare: dict[Name, Compare] = Field(default_factory=dict)


def check(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Note every problem on the tree; ``schemas`` are those that could be parsed, by name."""
    for name, changes in topology.sync.changes.items():
        at = ("sync", "changes", name)
        for part, value, wrong, fix in _wrong_changes(topology, changes, schemas):
            tree.problem((*at, *part), value, wrong, fix)
    keyspaces = topology.redis.keyspaces
    for name, compare in topology.sync.compare.items():
        if compare.read_model is None:
            continue
        keyspace = keyspaces.get(compare.read_model)
        if keyspace is None or keyspace.type != "hash":
            hashes = [known for known, declared in keyspaces.items() if declared.type == "hash"]
            tree.problem(
                ("sync", "compare", name, "read_model"), compare.read_model,
                "not a keyspace of type hash", f"there are: {', '.join(hashes) or 'none'}",
            )  # fmt: skip


def _wrong_changes(
    topology: Topology, changes: Changes, schemas: Mapping[str, Mapping[str, Any]]
) -> Iterator[Wrong]:
    if changes.from_ in topology.topics:
        yield (
            ("from",), changes.from_, "is a topic of this pipeline",
            "name the topic that Debezium writes: <topic.prefix>.<schema>.<table>",
        )  # fmt: skip
    topic = topology.topics.get(changes.topic)
    if topic is None:
        known = ", ".join(topology.topics)
        yield ("topic",), changes.topic, "no such topic", f"declared: {known}"
    elif topic.dedupe is None:
        yield (
            ("topic",), changes.topic, "has no dedupe: a change told twice would count twice",
            f"add dedupe to topics.{changes.topic}",
        )  # fmt: skip
    else:
        schema = schemas.get(topic.schema_)
        for number, happening in enumerate(changes.events):
            for part, *rest in _wrong_happening(happening, topic.dedupe.key, topic.schema_, schema):
                yield ("events", number, *part), *rest


def _wrong_happening(
    happening: Happening, id_field: str, name: str, schema: Mapping[str, Any] | None
) -> Iterator[Wrong]:
    if happening.changed and "update" not in happening.when:
        yield (
            ("changed",), list(happening.changed), "only an update changes columns",
            "add update to 'when', or drop this",
        )  # fmt: skip
    if id_field in happening.fields:
        yield (
            ("fields", id_field), None, "the id is made from the change's place in the "
            "database's log", "drop it",
        )  # fmt: skip
    paths: dict[str, tuple[str | int, ...]] = {p: ("where", p) for p in happening.where}
    paths |= {path: ("id", i) for i, path in enumerate(happening.id)}
    paths |= {s.from_: ("fields", f) for f, s in happening.sources.items() if s.from_ is not None}
    for path, at in paths.items():
        if path.partition(".")[0] not in MEMBERS:
            yield at, path, "not in a change event", f"begin with one of {', '.join(MEMBERS)}"
    if schema is not None:
        given = {id_field: Source(value=""), **happening.sources}
        for part, *rest in wrong_fields(given, name, schema):
            yield ("fields", *part), *rest
