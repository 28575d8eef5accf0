"""The lineage of the project in a folder."""

from __future__ import annotations

from pathlib import Path

from headrace import topology
from headrace.agent import AgentFunction, StatefulAgent, function
from headrace.errors import ConfigError
from headrace.lineage.build import trace
from headrace.lineage.graph import Lineage
from headrace.schema import Registry
from headrace.topology.model import Topology


def of_project(root: Path) -> Lineage:
    """As it stands; raises ConfigError if the topology or the schemas are not right."""
    declared = topology.load(root)
    return of(declared, Registry.load(root))


def of(declared: Topology, registry: Registry) -> Lineage:
    """With these schemas. An agent that can't be imported is a gap."""
    return trace(declared, registry, {name: _agent(declared, name) for name in declared.agents})


def _agent(declared: Topology, name: str) -> AgentFunction | str:
    """One with state is run as if nothing had been kept before."""
    try:
        found = function(declared, name)
    except ConfigError as error:
        return str(error)
    state = declared.agents[name].state
    if state is None:
        return found
    stateful = StatefulAgent(found, state.keyspace, state.key)
    return lambda frame: stateful.run(frame, {})
