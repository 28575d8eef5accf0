"""What a well-formed topology must also satisfy: names that refer to each other, and schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import avro.errors
import avro.schema

from headrace.schema_files import FOLDER, latest, names
from headrace.topology import (
    alerting,
    archive,
    intake,
    keyed_checks,
    level_checks,
    panels,
    privacy,
    process_checks,
    questions,
    rules,
    sync,
)
from headrace.topology.model import AUDIT_TABLE, Topic, Topology
from headrace.topology.tree import Tree

#: Kafka's default of offset.metadata.max.bytes: a longer commit is refused.
MAX_METADATA_BYTES = 4096
OFFSET_DIGITS = 19
POSITION_COLUMNS = ("_partition", "_offset")


def run(topology: Topology, tree: Tree, root: Path) -> None:
    """Note every problem on the tree."""
    schemas = _schemas(topology, tree, root)
    _topics(topology, tree, schemas)
    rules.run(topology, tree, root)
    _agents(topology, tree)
    _writers(topology, tree)
    keyed_checks.run(topology, tree, schemas)
    _tables(topology, tree, schemas)
    _delays(topology, tree)
    _marks(topology, tree)
    _views(topology, tree)
    questions.run(topology, tree)
    panels.check(topology, tree)
    alerting.run(topology, tree, root)
    _partitions(topology, tree)
    _audit(topology, tree)
    privacy.check(topology, tree, schemas)
    intake.check(topology, tree, schemas)
    sync.check(topology, tree, schemas)
    level_checks.run(topology, tree)
    archive.check(topology, tree, schemas)
    process_checks.run(topology, tree, schemas, root)


def _schemas(topology: Topology, tree: Tree, root: Path) -> dict[str, Mapping[str, Any]]:
    """Parse the newest version of each schema that a topic names; returns them by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, topic in topology.topics.items():
        path = latest(root / FOLDER, topic.schema_)
        at = ("topics", name, "schema")
        if topic.schema_ in found:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            plain = json.loads(text)
            avro.schema.parse(text)
            found[topic.schema_] = plain
        except FileNotFoundError:
            known = ", ".join(names(path.parent)) or "none"
            tree.problem(
                at, topic.schema_, f"there is no schemas/{path.name}", f"there are: {known}"
            )
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            tree.problem(at, topic.schema_, f"schemas/{path.name} is not JSON: {error}", "mend it")
        except avro.errors.AvroException as error:
            tree.problem(at, topic.schema_, f"schemas/{path.name} is not Avro: {error}", "mend it")
    return found


def _field(schema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((f for f in schema["fields"] if f["name"] == name), None)


def _names(schema: Mapping[str, Any]) -> str:
    return ", ".join(f["name"] for f in schema["fields"])


def _topics(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    for name, topic in topology.topics.items():
        letters = name + topology.dead_letters.suffix
        if letters in topology.topics:
            tree.problem(
                ("topics", letters), letters, f"is the dead-letter topic of {name!r}", "rename it"
            )
        schema = schemas.get(topic.schema_)
        if schema is None:
            continue
        field = _field(schema, topic.key)
        at = ("topics", name, "key")
        if field is None:
            tree.problem(
                at, topic.key, f"schema {topic.schema_!r} has no such field",
                f"it has: {_names(schema)}",
            )  # fmt: skip
        elif field["type"] != "string":
            tree.problem(at, topic.key, "the key field is not a plain string", "choose another")
        _dedupe(name, topic, schema, tree)


def _dedupe(name: str, topic: Topic, schema: Mapping[str, Any], tree: Tree) -> None:
    if topic.dedupe is None:
        return
    at, key = ("topics", name, "dedupe", "key"), topic.dedupe.key
    field = _field(schema, key)
    if field is None:
        tree.problem(
            at, key, f"schema {topic.schema_!r} has no such field", f"it has: {_names(schema)}"
        )
    elif field["type"] != "string":
        tree.problem(at, key, "the id field is not a plain string", "choose another")
    if topic.compacted:
        tree.problem(
            ("topics", name, "dedupe"), key,
            "compaction takes away the records that repeats are known by",
            "drop dedupe: of a compacted topic only the newest record of a key counts",
        )  # fmt: skip


def _agents(topology: Topology, tree: Tree) -> None:
    for name, agent in topology.agents.items():
        for i, topic in enumerate(agent.reads):
            if topic not in topology.topics:
                tree.problem(
                    ("agents", name, "reads", i), topic, "no such topic",
                    f"declared: {', '.join(topology.topics)}",
                )  # fmt: skip
        for kind, declared in (
            ("tables", topology.clickhouse.tables),
            ("keyspaces", topology.redis.keyspaces),
            ("topics", topology.topics),
        ):
            for i, target in enumerate(getattr(agent.writes, kind)):
                if target not in declared:
                    tree.problem(
                        ("agents", name, "writes", kind, i), target, f"not one of the {kind}",
                        f"declared: {', '.join(declared) or 'none'}",
                    )  # fmt: skip


def _writers(topology: Topology, tree: Tree) -> None:
    # Agents that declarations make come first: one that is written has a line to tell it at.
    made_first = sorted(topology.agents, key=lambda name: tree.get(("agents", name)) is not None)
    for kind in ("tables", "keyspaces"):
        writer: dict[str, str] = {}
        for name in made_first:
            agent = topology.agents[name]
            for i, target in enumerate(getattr(agent.writes, kind)):
                first = writer.setdefault(target, name)
                if first != name:
                    tree.problem(
                        ("agents", name, "writes", kind, i), target,
                        f"agent {first!r} writes it already",
                        "let one agent write it, or declare another target",
                    )  # fmt: skip


def _tables(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    for name, table in topology.clickhouse.tables.items():
        at = ("clickhouse", "tables", name)
        topic = topology.topics.get(table.topic)
        if topic is None:
            declared = ", ".join(topology.topics)
            tree.problem((*at, "topic"), table.topic, "no such topic", f"declared: {declared}")
            continue
        for agent_name, agent in topology.agents.items():
            if name in agent.writes.tables and table.topic not in agent.reads:
                tree.problem(
                    (*at, "topic"), table.topic,
                    f"agent {agent_name!r}, which writes the table, does not read this topic",
                    f"add it to agents.{agent_name}.reads",
                )  # fmt: skip
        schema = schemas.get(topic.schema_)
        for i, column in enumerate(table.order_by):
            if schema and not _field(schema, column) and column not in POSITION_COLUMNS:
                tree.problem(
                    (*at, "order_by", i), column, f"schema {topic.schema_!r} has no such field",
                    f"it has: {_names(schema)}",
                )  # fmt: skip


def _delays(topology: Topology, tree: Tree) -> None:
    least, most = topology.delivery.min_delay_ms, topology.delivery.max_delay_ms
    if least > most:
        tree.problem(
            ("delivery", "min_delay_ms"), least, f"more than max_delay_ms ({most})",
            f"at most {most}",
        )  # fmt: skip


def _marks(topology: Topology, tree: Tree) -> None:
    """A commit's metadata names every sink of the topic, see ``delivery.intent``."""
    for name in topology.topics:
        tables = [t for t, table in topology.clickhouse.tables.items() if table.topic == name]
        length = sum(len(f"clickhouse.{table}://,") + 3 * OFFSET_DIGITS for table in tables)
        if length > MAX_METADATA_BYTES - 100:
            tree.problem(
                ("topics", name), name, f"{len(tables)} tables take this topic, too many for one "
                f"offset commit ({length} of {MAX_METADATA_BYTES} bytes)",
                "shorten their names, or let views hold some of them",
            )  # fmt: skip


def _views(topology: Topology, tree: Tree) -> None:
    tables = topology.clickhouse.tables
    for name, view in topology.clickhouse.views.items():
        at = ("clickhouse", "views", name)
        if name in tables:
            tree.problem(at, name, "a table has this name", "rename the view")
        for source in view.from_:
            if source not in tables:
                tree.problem(
                    (*at, "from", source), source, "no such table", f"declared: {', '.join(tables)}"
                )
        for i, column in enumerate(view.order_by):
            if column not in view.columns:
                tree.problem(
                    (*at, "order_by", i), column, "not a column of the view",
                    f"it has: {', '.join(view.columns)}",
                )  # fmt: skip


def _partitions(topology: Topology, tree: Tree) -> None:
    """Topics that feed the same key in one place must place keys alike."""
    located = {name for name, keyspace in topology.redis.keyspaces.items() if keyspace.located}
    for name, agent in topology.agents.items():
        if not located & set(agent.writes.keyspaces):
            continue
        topics = [t for t in agent.reads if t in topology.topics]
        counts = {t: topology.partitions(t) for t in topics}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{t} {n}" for t, n in counts.items())
            at = ("agents", name, "reads")
            if name in topology.declared:
                at = ("declared", name, "from")
            tree.problem(
                at, list(agent.reads),
                f"topics that feed located keyspaces have unequal partition counts ({shown})",
                "give them equal counts",
            )  # fmt: skip


def warnings(topology: Topology) -> list[str]:
    """What is declared and not used."""
    read = {topic for agent in topology.agents.values() for topic in agent.reads}
    written = {k for agent in topology.agents.values() for k in agent.keyspaces}
    filled = {t for agent in topology.agents.values() for t in agent.writes.tables}
    return [
        *(f"topic {t!r} is read by no agent" for t in topology.topics if t not in read),
        *(
            f"keyspace {name!r} is written by no agent"
            for name in topology.redis.keyspaces
            if name not in written
        ),
        *(
            f"table {name!r} is written by no agent"
            for name in topology.clickhouse.tables
            if name not in filled
        ),
    ]


def _audit(topology: Topology, tree: Tree) -> None:
    """The audit's topic and table are not the topology's to declare."""
    name = topology.audit_topic
    for topic in topology.topics:
        if name in (topic, topic + topology.dead_letters.suffix):
            tree.problem(("topics", topic), topic, f"{name!r} is the audit's topic", "rename it")
    for kind in ("tables", "views"):
        if AUDIT_TABLE in getattr(topology.clickhouse, kind):
            tree.problem(
                ("clickhouse", kind, AUDIT_TABLE), AUDIT_TABLE, "is the audit's table", "rename it"
            )
