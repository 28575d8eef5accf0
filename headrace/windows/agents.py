"""Declared sessions and joins as agents: their names, keyspaces and functions.

``headrace.windows.agents:<name>`` is that of the topology in the current folder, :func:`of` that of
any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import orjson

from headrace.topology.joins import Join
from headrace.topology.model import Topology
from headrace.topology.sessions import Sessions
from headrace.windows.join_agent import HOUR_MS, JoinAgent
from headrace.windows.session_agent import SessionAgent
from headrace.windows.sides import Sides
from headrace.writes import Writes

MODULE = __name__


def sides_of(name: str) -> str:
    """The agent that brings both sides of a join together."""
    return f"{name}_sides"


def kept_in(name: str, declared: Sessions | Join) -> str:
    """The keyspace of a declaration's state.

    It names what the state consists of: a changed declaration never reads what another one kept.
    """
    if isinstance(declared, Sessions):
        shape = declared.model_dump(include={"key", "time", "where", "fields"})
    else:
        shape = declared.model_dump(exclude={"doc", "owner", "keep_hours", "late", "into"})
    tag = hashlib.blake2b(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS), digest_size=4)
    return f"{name}:state:{tag.hexdigest()}"


def counted_in(name: str) -> str:
    """The keyspace that counts a declaration's late events."""
    return f"{name}:late"


def forget_ms(topology: Topology, declared: Join) -> int | None:
    """How long after its last record a key of a join is forgotten; None: never, it is a table.

    An event that comes after that was in its topic for less than the retention, so it is past
    ``keep_hours`` if it lies near enough to match what was forgotten.
    """
    if declared.within_s is None:
        return None
    topics = (topology.topics[side.topic] for side in (declared.of, declared.with_))
    retention = max(t.retention_hours or topology.defaults.retention_hours for t in topics)
    return (declared.keep_hours + retention) * HOUR_MS + declared.within_s * 1000


def names(topology: Topology) -> set[str]:
    """The agents that are made of declarations."""
    return {*topology.sessions, *topology.joins, *map(sides_of, topology.joins)}


def of(topology: Topology, agent: str) -> Callable[..., Writes]:
    """The function of one of ``names``."""
    if agent in topology.sessions:
        declared = topology.sessions[agent]
        return SessionAgent(agent, declared, kept_in(agent, declared), counted_in(agent))
    if agent in topology.joins:
        join = topology.joins[agent]
        forget = forget_ms(topology, join)
        return JoinAgent(agent, join, kept_in(agent, join), counted_in(agent), forget)
    (found,) = (one for name, one in topology.joins.items() if sides_of(name) == agent)
    return Sides(found)


@cache
def _project(root: Path) -> Topology:
    from headrace.topology import load

    return load(root)


def __getattr__(name: str) -> Callable[..., Writes]:
    if name.startswith("__"):
        raise AttributeError(name)
    topology = _project(Path.cwd())
    if name not in names(topology):
        raise AttributeError(f"topology.yaml declares no sessions or join {name!r}")
    return of(topology, name)
