"""``sessions:`` and ``joins:`` as agents and keyspaces, which is what everything else knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from headrace.schema import AvroSchema
from headrace.topology.joins import Join
from headrace.topology.keyed import AgentState, Timer
from headrace.topology.model import Agent, AgentWrites, Keyspace, Topology
from headrace.topology.sessions import Sessions
from headrace.topology.tree import Tree
from headrace.windows import join_checks, session_checks
from headrace.windows.agents import MODULE, counted_in, kept_in, sides_of
from headrace.windows.notes import Note
from headrace.windows.sides import DUE

#: The event by which a key is forgotten: see ``agents.forget_ms``.
_TIMER = Timer(
    at="occurred_at",
    event={"side": DUE, "source_partition": 0, "source_offset": 0, "item": 0, "payload": None},
)


def expand(topology: Topology, tree: Tree, schemas: Mapping[str, AvroSchema]) -> Topology:
    """The topology with all that its declarations stand for; notes what is wrong with them.

    ``schemas`` has the newest version of each topic's schema; of a topic that has none it was
    noted elsewhere. A declaration with something wrong is left out.
    """
    agents, keyspaces = dict(topology.agents), dict(topology.redis.keyspaces)
    sessions = (
        ("sessions", name, _sessions(name, one), _keyspaces(name, one),
         session_checks.problems(one, topology, schemas))
        for name, one in topology.sessions.items()
    )  # fmt: skip
    joins = (
        ("joins", name, _join(name, one), _keyspaces(name, one),
         join_checks.problems(one, topology, schemas))
        for name, one in topology.joins.items()
    )  # fmt: skip
    for section, name, made, kept, wrong in chain(sessions, joins):
        notes = [*wrong, *_taken(made, agents), *_taken(kept, keyspaces)]
        for note in notes:
            tree.problem((section, name, *note.at), note.value, note.wrong, note.fix)
        if not notes and all(topic in schemas for a in made.values() for topic in _topics(a)):
            agents |= made
            keyspaces |= kept
    redis = topology.redis.model_copy(update={"keyspaces": keyspaces})
    return topology.model_copy(update={"agents": agents, "redis": redis})


def _topics(agent: Agent) -> tuple[str, ...]:
    return (*agent.reads, *agent.writes.topics)


def _taken(made: Mapping[str, object], there: Mapping[str, object]) -> Iterator[Note]:
    for name in made.keys() & there.keys():
        yield Note((), name, "the name is taken by another agent or keyspace", "rename it")


def _sessions(name: str, declared: Sessions) -> dict[str, Agent]:
    state = AgentState(keyspace=kept_in(name, declared), key=declared.key[0])
    return {
        name: Agent(
            function=f"{MODULE}:{name}",
            doc=declared.doc,
            owner=declared.owner,
            reads=(declared.reads,),
            writes=AgentWrites(keyspaces=(counted_in(name),), topics=(declared.into,)),
            state=state,
        )
    }


def _join(name: str, declared: Join) -> dict[str, Agent]:
    reads = tuple(dict.fromkeys((declared.of.topic, declared.with_.topic)))
    state = AgentState(keyspace=kept_in(name, declared), key="key")
    return {
        sides_of(name): Agent(
            function=f"{MODULE}:{sides_of(name)}",
            doc=f"Both sides of {name} by its key.",
            owner=declared.owner,
            reads=reads,
            writes=AgentWrites(topics=(declared.via,)),
        ),
        name: Agent(
            function=f"{MODULE}:{name}",
            doc=declared.doc,
            owner=declared.owner,
            reads=(declared.via,),
            writes=AgentWrites(keyspaces=(counted_in(name),), topics=(declared.into,)),
            state=state,
            timer=None if declared.within_s is None else _TIMER,
        ),
    }


def _keyspaces(name: str, declared: Sessions | Join) -> dict[str, Keyspace]:
    """Where a declaration's state is kept and its late events are counted."""
    return {
        kept_in(name, declared): Keyspace(
            type="state", located=True, doc=f"What {name} keeps by key"
        ),
        counted_in(name): Keyspace(
            type="hash", located=False, doc=f"Events that came too late for {name}"
        ),
    }
