"""``declared:`` as views, keyspaces and agents, which is what everything else knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from headrace.declared import agents, clickhouse, redis
from headrace.declared.plan import Note, Plan, plan
from headrace.declared.shape import Shape
from headrace.schema.registry import AvroSchema
from headrace.topology.declared import Declared
from headrace.topology.model import Agent, AgentWrites, Keyspace, Topology, View
from headrace.topology.tree import Tree


class _Made(NamedTuple):
    views: dict[str, View]
    keyspaces: dict[str, Keyspace]
    agents: dict[str, Agent]


def expand(topology: Topology, tree: Tree, schemas: Mapping[str, AvroSchema]) -> Topology:
    """The topology with all that its declarations stand for; notes what is wrong with them.

    ``schemas`` has the newest version of each topic's schema; of a topic that has none it was
    noted elsewhere. A declaration with something wrong is left out.
    """
    made = _Made({}, {}, {})
    for name, declared in topology.declared.items():
        notes = list(_sources(topology, declared))
        shapes = {t: Shape.of(schemas[t]) for t in declared.from_ if t in schemas}
        planned, wrong = plan(name, declared, shapes)
        notes += wrong
        complete = not notes and len(planned.feeds) == len(declared.from_)
        if complete:
            notes += _stores(planned)
        if complete and not notes:
            notes += _add(topology, planned, made)
        for note in notes:
            tree.problem(("declared", name, *note.at), note.value, note.wrong, note.fix)
    return topology.model_copy(
        update={
            "agents": {**topology.agents, **made.agents},
            "clickhouse": topology.clickhouse.model_copy(
                update={"views": {**topology.clickhouse.views, **made.views}}
            ),
            "redis": topology.redis.model_copy(
                update={"keyspaces": {**topology.redis.keyspaces, **made.keyspaces}}
            ),
        }
    )


def _sources(topology: Topology, declared: Declared) -> list[Note]:
    notes = []
    for topic in declared.from_:
        if topic not in topology.topics:
            known = ", ".join(topology.topics)
            notes.append(Note(("from", topic), topic, "no such topic", f"declared: {known}"))
        elif declared.keep.clickhouse is not None and len(_tables(topology, topic)) != 1:
            found = ", ".join(_tables(topology, topic)) or "none"
            notes.append(
                Note(
                    ("from", topic), topic, f"has not one raw table but {found}",
                    "declare one in clickhouse.tables, which its view is fed from",
                )
            )  # fmt: skip
    if declared.keep.clickhouse is None and declared.keep.redis is None:
        notes.append(Note(("keep",), None, "is kept nowhere", "name clickhouse, redis or both"))
    return notes


def _tables(topology: Topology, topic: str) -> list[str]:
    return [name for name, table in topology.clickhouse.tables.items() if table.topic == topic]


def _stores(planned: Plan) -> list[Note]:
    keep = planned.declared.keep
    return [
        *(clickhouse.refused(planned) if keep.clickhouse is not None else ()),
        *(redis.refused(planned) if keep.redis is not None else ()),
    ]


def _add(topology: Topology, planned: Plan, made: _Made) -> list[Note]:
    """Add what a declaration stands for, under names that nothing else has."""
    declared, name = planned.declared, planned.name
    notes: list[Note] = []

    def free(kind: str, one: str, *taken: Mapping[str, Any]) -> bool:
        if not any(one in names for names in taken):
            return True
        at = ("keep", "redis", "keyspace") if kind == "keyspace" else ()
        notes.append(Note(at, one, f"there is {kind} {one!r} already", "rename one"))
        return False

    if declared.keep.clickhouse is not None and free(
        "a view or table", name, topology.clickhouse.views, topology.clickhouse.tables
    ):
        tables = {topic: _tables(topology, topic)[0] for topic in declared.from_}
        made.views[name] = clickhouse.view(planned, tables)
    if declared.keep.redis is not None and free("an agent", name, topology.agents):
        found = redis.keyspaces(planned, topology.topics)
        for one, keyspace in found.items():
            if free("keyspace", one, topology.redis.keyspaces, made.keyspaces):
                made.keyspaces[one] = keyspace
        made.agents[name] = Agent(
            function=f"{agents.MODULE}:{name}",
            doc=declared.doc,
            owner=declared.owner,
            reads=tuple(declared.from_),
            writes=AgentWrites(keyspaces=tuple(found)),
        )
    return notes
