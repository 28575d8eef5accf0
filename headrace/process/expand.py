"""``processes:`` as stateful agents and their keyspaces, which is what everything else knows."""

from __future__ import annotations

from headrace.topology.keyed import AgentState, Timer
from headrace.topology.model import Agent, AgentWrites, Keyspace, Topology
from headrace.topology.processes import Process
from headrace.topology.tree import Tree

#: Where an agent's function would be named: what runs is made from the declaration.
MODULE = "headrace.process.agent"


def keyspace(process: str) -> str:
    """Where the instances of a process are kept."""
    return f"process:{process}"


def expand(topology: Topology, tree: Tree) -> Topology:
    """The topology with all that its processes stand for; notes names that are taken already.

    A process of a topic that there is not is left out: that is noted elsewhere.
    """
    agents, keyspaces = dict(topology.agents), dict(topology.redis.keyspaces)
    for name, process in topology.processes.items():
        if process.topic not in topology.topics:
            continue
        for kind, one, taken in (
            ("an agent", name, agents),
            ("a keyspace", keyspace(name), keyspaces),
        ):
            if one in taken:
                at = ("processes", name)
                tree.problem(at, one, f"there is {kind} {one!r} already", "rename one")
                break
        else:
            agents[name] = _agent(topology, name, process)
            keyspaces[keyspace(name)] = Keyspace(
                type="state", located=True, doc=f"Instances of the process {name}"
            )
    return topology.model_copy(
        update={
            "agents": agents,
            "redis": topology.redis.model_copy(update={"keyspaces": keyspaces}),
        }
    )


def _agent(topology: Topology, name: str, process: Process) -> Agent:
    names = process.names
    return Agent(
        function=f"{MODULE}:{name}",
        doc=process.doc,
        owner=process.owner,
        reads=(process.topic,),
        writes=AgentWrites(topics=(process.commands_topic, process.transitions_topic)),
        state=AgentState(keyspace=keyspace(name), key=topology.topics[process.topic].key),
        timer=Timer(at=names.time, event={names.type: names.timer}),
    )
