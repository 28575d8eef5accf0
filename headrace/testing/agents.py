"""Agents as tests name them: functions, with the state that the topology declares for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from headrace.agent import AgentFunction, StatefulAgent, StatefulFunction, States
from headrace.frame import Frame
from headrace.testing.project import Project
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Writes

#: What a test gives to ``when``: a function, or an agent with state that nothing declares.
Tested = AgentFunction | StatefulFunction | StatefulAgent
#: By keyspace, what is kept before a block.
Held = Callable[[str], States]


@dataclass(frozen=True, slots=True)
class Run:
    """One agent to run. ``name`` is its name in the topology, empty if it has none."""

    name: str
    agent: AgentFunction | StatefulAgent
    reads: tuple[str, ...] | None

    def writes(self, frame: Frame, held: Held) -> Writes:
        """What it asks for; nothing for a topic that an agent with state does not read."""
        if not isinstance(self.agent, StatefulAgent):
            return self.agent(frame)
        if self.reads is not None and frame.topic not in self.reads:
            return NOTHING
        return self.agent.run(frame, held(self.agent.keyspace))


def runs(agents: Sequence[Tested], within: Project) -> list[Run]:
    """The agents to run, those that the topology declares with their state."""
    return [_run(agent, within.topology) for agent in agents]


def _run(agent: Tested, topology: Topology) -> Run:
    if isinstance(agent, StatefulAgent):
        return Run("", agent, None)
    reference = f"{getattr(agent, '__module__', '')}:{getattr(agent, '__qualname__', '')}"
    for name, declared in topology.agents.items():
        if declared.function == reference:
            state = declared.state
            if state is None:
                break
            function = cast(StatefulFunction, agent)
            return Run(name, StatefulAgent(function, state.keyspace, state.key), declared.reads)
    return Run("", cast(AgentFunction, agent), None)


def checked(writes: Writes, within: Project) -> Writes:
    """The writes, if the events in them fit the schemas of their topics; else AssertionError."""
    for emit in writes.events:
        for event in emit.events:
            within.check(emit.topic, event)
    return writes
