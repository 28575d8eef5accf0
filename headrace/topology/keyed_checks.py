"""What a topology must satisfy whose agents keep state by key, emit events or have timers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.topology.model import Agent, Topology
from headrace.topology.privacy import is_private
from headrace.topology.tree import Path, Tree

#: First parts of keys that lie beside the keyspaces of a partition: see ``sinks.redis.keys``.
RESERVED = ("fence", "undo", "outbox", "due", "aside")

Schemas = Mapping[str, Mapping[str, Any]]


def run(topology: Topology, tree: Tree, schemas: Schemas) -> None:
    """Note every problem on the tree; ``schemas`` are those that could be parsed, by name."""
    for name, agent in topology.agents.items():
        if agent.state is not None:
            _state(topology, tree, name, agent)
        if agent.timer is not None:
            _timer(topology, tree, name, agent, schemas)
    for topic in topology.emitted():
        _emitted(topology, tree, topic, schemas)
    _keyspaces(topology, tree)


def _state(topology: Topology, tree: Tree, name: str, agent: Agent) -> None:
    state, at = agent.state, ("agents", name)
    assert state is not None
    if len(agent.reads) > 1:
        tree.problem(
            (*at, "reads"), list(agent.reads), "an agent with state reads one topic, whose key is "
            "the state's: so each key has one owner",
            "let a stateless agent emit the events of all into one topic, and read that",
        )  # fmt: skip
    topic = topology.topics.get(agent.reads[0])
    if topic is not None and state.key != topic.key:
        tree.problem(
            (*at, "state", "key"), state.key, f"is not the key of topic {agent.reads[0]!r}",
            f"name {topic.key!r}, or emit the events into a topic that has this key",
        )  # fmt: skip
    keyspace = topology.redis.keyspaces.get(state.keyspace)
    if keyspace is None or keyspace.type != "state":
        known = [n for n, k in topology.redis.keyspaces.items() if k.type == "state"]
        tree.problem(
            (*at, "state", "keyspace"), state.keyspace, "is no keyspace of type 'state'",
            f"declared: {', '.join(known) or 'none'}",
        )  # fmt: skip
    if agent.writes.tables:
        tree.problem(
            (*at, "writes", "tables"), list(agent.writes.tables),
            "an agent with state can't write tables: a table that is behind could not be caught "
            "up, as the state before its blocks is gone",
            "emit to a topic; a stateless agent fills a table of that topic",
        )  # fmt: skip


def _timer(topology: Topology, tree: Tree, name: str, agent: Agent, schemas: Schemas) -> None:
    timer, at = agent.timer, ("agents", name, "timer")
    assert timer is not None
    topic = topology.topics.get(agent.reads[0])
    if agent.state is None:
        tree.problem(at, None, "a timer needs state, whose keys are due", "add 'state'")
    schema = schemas.get(topic.schema_) if topic else None
    if topic is None or schema is None:
        return
    given = {topic.key, *([topic.dedupe.key] if topic.dedupe else []), timer.at}
    for field in timer.event.keys() & given:
        tree.problem(
            (*at, "event", field), timer.event[field], "the engine gives this field", "leave it out"
        )
    fields = {field["name"]: field for field in schema["fields"]}
    known = f"it has: {', '.join(fields)}"
    for place, field in ((("at",), timer.at), *((("event", f), f) for f in timer.event)):
        if field not in fields:
            tree.problem((*at, *place), field, f"schema {topic.schema_!r} has no such field", known)
    if timer.at in fields and not _is_timestamp(fields[timer.at]["type"]):
        tree.problem((*at, "at"), timer.at, "is not a timestamp", "name a field that is one")
    for field in _needed(fields.values()):
        if field not in given and field not in timer.event:
            tree.problem(
                (*at, "event"), None, f"nothing for field {field!r} of schema {topic.schema_!r}",
                "add a value for it",
            )  # fmt: skip


def _needed(fields: Any) -> Iterator[str]:
    for field in fields:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if "default" not in field and "null" not in kinds:
            yield field["name"]


def _is_timestamp(kind: Any) -> bool:
    kinds = kind if isinstance(kind, list) else [kind]
    logical = [k.get("logicalType", "") for k in kinds if isinstance(k, Mapping)]
    return any(name.startswith("timestamp-") for name in logical)


def _emitted(topology: Topology, tree: Tree, name: str, schemas: Schemas) -> None:
    topic, at = topology.topics[name], ("topics", name)
    if topic.dedupe is None:
        tree.problem(
            at, name, "agents emit to this topic: what a crash sends twice must be dropped",
            "add dedupe: {key: the id field, window: …}",
        )  # fmt: skip
    schema = schemas.get(topic.schema_)
    private = [f["name"] for f in schema["fields"] if is_private(f)] if schema else []
    if private:
        tree.problem(
            (*at, "schema"), topic.schema_, f"agents emit to this topic, and field {private[0]!r} "
            f"is private: encrypted again, an event would not be the same",
            "leave private fields out of what is emitted",
        )  # fmt: skip


def _keyspaces(topology: Topology, tree: Tree) -> None:
    owner: dict[str, str] = {}
    for name, agent in topology.agents.items():
        for i, target in enumerate(agent.writes.keyspaces):
            declared = topology.redis.keyspaces.get(target)
            if declared is not None and declared.type == "state":
                tree.problem(
                    ("agents", name, "writes", "keyspaces", i), target, "holds an agent's state",
                    "name it in the agent's state instead",
                )  # fmt: skip
        if agent.state is not None:
            first = owner.setdefault(agent.state.keyspace, name)
            if first != name:
                tree.problem(
                    ("agents", name, "state", "keyspace"), agent.state.keyspace,
                    f"holds the state of agent {first!r}", "declare another",
                )  # fmt: skip
    for name, keyspace in topology.redis.keyspaces.items():
        at: Path = ("redis", "keyspaces", name)
        if name.partition(":")[0] in RESERVED:
            tree.problem(at, name, "the engine's own keys have this name", "rename it")
        if keyspace.type != "state":
            continue
        if not keyspace.located:
            tree.problem(
                (*at, "located"), False, "state lies where its topic's key does", "write true"
            )
        if keyspace.ttl_hours is not None:
            tree.problem(
                (*at, "ttl_hours"), keyspace.ttl_hours,
                "state that ends by itself does not follow from the log",
                "let the agent forget keys, by a timer for example",
            )  # fmt: skip
