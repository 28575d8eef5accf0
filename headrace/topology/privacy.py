"""What a topology must satisfy whose schemas mark fields as private (``pii``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.topology.model import Topology
from headrace.topology.tree import Tree

PII = "pii"
#: Values of ``pii``: encrypted with the person's key, or replaced by a pseudonym.
ENCRYPTED, PSEUDONYM = True, "pseudonym"
_TYPES = ("string", "bytes")


def is_private(attributes: Mapping[str, Any]) -> bool:
    """Whether a schema's field with these attributes is private, in one way or the other."""
    return attributes.get(PII, False) is not False


def check(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Note every problem on the tree; ``schemas`` are those that could be parsed, by name."""
    for name, topic in topology.topics.items():
        schema = schemas.get(topic.schema_)
        if schema is not None:
            _topic(topology, tree, name, schema)
    _keyspaces(topology, tree, schemas)


def _topic(topology: Topology, tree: Tree, name: str, schema: Mapping[str, Any]) -> None:
    topic = topology.topics[name]
    at = ("topics", name, "schema")
    for nested in _nested(schema["fields"]):
        tree.problem(
            at, topic.schema_, f"field {nested!r} is within another field and has {PII!r}",
            "only fields of the record itself can be private: move it there",
        )  # fmt: skip
    marked = {f["name"]: f for f in schema["fields"] if is_private(f)}
    for field in marked.values():
        _field(tree, at, topic.schema_, field)
    plain = {f["name"] for f in schema["fields"] if f["type"] == "string"}
    if topic.person is None:
        encrypted = [name for name, f in marked.items() if f[PII] is ENCRYPTED]
        if encrypted:
            tree.problem(
                ("topics", name), name, f"field {encrypted[0]!r} of schema {topic.schema_!r} is "
                f"private, and nothing says whose it is",
                "add person: the field that names the person",
            )  # fmt: skip
    elif topic.person not in plain:
        tree.problem(
            ("topics", name, "person"), topic.person,
            f"is not a plain string field of schema {topic.schema_!r}",
            f"it has: {', '.join(sorted(plain))}",
        )  # fmt: skip
    elif topic.person in marked:
        tree.problem(
            ("topics", name, "person"), topic.person, f"has {PII!r} itself",
            "the person's key is found by this field: name it by an id that says nothing",
        )  # fmt: skip
    ids = [("key", topic.key)]
    if topic.dedupe is not None:
        ids.append(("dedupe", topic.dedupe.key))
    for what, field in ids:
        if field in marked and marked[field][PII] is ENCRYPTED:
            tree.problem(
                ("topics", name, what), field, "is encrypted: equal values differ in the log",
                f'choose another, or give it "{PII}": "{PSEUDONYM}"',
            )  # fmt: skip


def _field(tree: Tree, at: tuple[str, ...], schema: str, field: Mapping[str, Any]) -> None:
    name, how = field["name"], field[PII]
    if how is not ENCRYPTED and how != PSEUDONYM:
        tree.problem(
            at, schema, f"field {name!r} has {PII!r}: {how!r}", f'write true or "{PSEUDONYM}"'
        )
        return
    kind = field["type"]
    values = [branch for branch in kind if branch != "null"] if isinstance(kind, list) else [kind]
    allowed = _TYPES if how is ENCRYPTED else _TYPES[:1]
    if len(values) != 1 or values[0] not in allowed:
        tree.problem(
            at, schema, f"field {name!r} with {PII!r} is of type {kind!r}",
            f"only {' and '.join(allowed)}, plain or nullable, can hold what it becomes",
        )  # fmt: skip


def _nested(fields: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields of inner records that have ``pii``."""
    for field in fields:
        inner = f"{path}.{field['name']}" if path else field["name"]
        if path and PII in field:
            yield inner
        for record in _records(field["type"]):
            yield from _nested(record["fields"], inner)


def _records(kind: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(kind, list):
        for branch in kind:
            yield from _records(branch)
    elif isinstance(kind, Mapping):
        if kind["type"] in ("record", "error"):
            yield kind
        for part in (kind.get("items"), kind.get("values"), kind["type"]):
            if isinstance(part, list | Mapping):
                yield from _records(part)


def _keyspaces(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    known = {
        field["name"]
        for name in topology.of_persons()
        if (schema := schemas.get(topology.topics[name].schema_)) is not None
        for field in schema["fields"]
        if field["type"] == "string"
    }
    for name, keyspace in topology.redis.keyspaces.items():
        if keyspace.person is not None and keyspace.person not in known:
            tree.problem(
                ("redis", "keyspaces", name, "person"), keyspace.person,
                "is not a plain string field of a topic that declares person",
                f"there are: {', '.join(sorted(known)) or 'none'}",
            )  # fmt: skip
