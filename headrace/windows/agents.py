"""Declared sessions and joins as agents: their names, keyspaces and functions.

``headrace.windows.agents:<name>`` is that of the topology in the current folder, :func:`of` that of
any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from headrace.topology.joins import Join
from headrace.topology.model import Topology
from headrace.topology.sessions import Sessions
from headrace.windows.join_agent import JoinAgent
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
        shape = declared.model_dump(include={"of", "with_"})
    tag = hashlib.blake2b(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS), digest_size=4)
    return f"{name}:state:{tag.hexdigest()}"


def counted_in(name: str) -> str:
    """The keyspace that counts a declaration's late events."""
    return f"{name}:late"


def names(topology: Topology) -> set[str]:
    """The agents that are made of declarations."""
    return {*topology.sessions, *topology.joins, *map(sides_of, topology.joins)}


def of(topology: Topology, agent: str) -> Callable[..., Writes]:
    """The function of one of ``names``."""
    made: dict[str, Any] = {
        **{name: (SessionAgent, name, one) for name, one in topology.sessions.items()},
        **{name: (JoinAgent, name, one) for name, one in topology.joins.items()},
    }
    if agent in made:
        kind, name, declared = made[agent]
        function: Callable[..., Writes] = kind(
            name, declared, kept_in(name, declared), counted_in(name)
        )
        return function
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
