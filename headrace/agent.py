"""Agents: pure functions from a Frame to Writes, found by the names the topology gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from headrace.declared import agents as declared
from headrace.errors import ConfigError, Terminal
from headrace.frame import OFFSET, Bad, Frame
from headrace.process import agent as processes
from headrace.references import imported
from headrace.topology.model import Topology
from headrace.windows import agents as windows
from headrace.writes import Outgoing, State, Writes

AgentFunction = Callable[[Frame], Writes]
#: By key: what was kept of it before the block.
States = Mapping[str, bytes]
StatefulFunction = Callable[[Frame, States], Writes]
#: An event of a topic as Kafka gets it; raises ValueError for one that does not fit its schema.
EncodeEvent = Callable[[Mapping[str, Any]], Outgoing]


@dataclass(frozen=True, slots=True)
class StatefulAgent:
    """An agent with the state that it keeps by ``key``, a column of its frames."""

    function: StatefulFunction
    keyspace: str
    key: str

    def keys(self, frame: Frame) -> list[str]:
        """Keys of a frame, each once, as they first appear."""
        return frame.df[self.key].unique(maintain_order=True).to_list()

    def run(self, frame: Frame, states: States) -> Writes:
        """Run it; of ``states`` it sees those of the frame's keys.

        Raises ConfigError when it writes the state of a key that no record of the frame has.
        """
        keys = self.keys(frame)
        writes = self.function(frame, {key: states[key] for key in keys if key in states})
        for state in writes.state:
            if foreign := state.values.keys() - set(keys):
                raise ConfigError(
                    f"keyspace {self.keyspace!r}: the agent wrote the state of {min(foreign)!r}, "
                    f"and no record of {frame.block} has this key"
                )
        return writes


def after(states: States, writes: Writes) -> States:
    """The states as they are when a block's writes are applied."""
    held: dict[str, bytes | None] = {**states}
    for state in writes.state:
        held |= state.values
    return {key: value for key, value in held.items() if value is not None}


def resolve(reference: str) -> Callable[..., Writes]:
    """Import ``module:function``; raise ConfigError saying what is missing."""
    return imported("agent", reference)


def functions(
    topology: Topology, encode: Mapping[str, EncodeEvent] | None = None
) -> dict[str, AgentFunction]:
    """Functions of the agents without state, each checked to write only what it declares.

    ``encode`` by topic: what they emit is encoded, too.
    """
    return {
        name: _Declared(name, function(topology, name), topology, encode).run
        for name, agent in topology.agents.items()
        if agent.state is None
    }


def stateful(
    topology: Topology, encode: Mapping[str, EncodeEvent] | None = None
) -> dict[str, StatefulAgent]:
    """The agents with state, as ``functions`` has the others."""
    return {
        name: StatefulAgent(
            _Declared(name, function(topology, name), topology, encode).run,
            agent.state.keyspace,
            agent.state.key,
        )
        for name, agent in topology.agents.items()
        if agent.state is not None
    }


def function(topology: Topology, name: str) -> Callable[..., Writes]:
    """An agent's function: what it names, or what is declared under its name."""
    if name in topology.declared:
        return declared.of(topology, name)
    if name in windows.names(topology):
        return windows.of(topology, name)
    if name in topology.processes:
        return processes.of(topology, name)
    return resolve(topology.agents[name].function)


class _Declared:
    """An agent that may only write what it declares, and whose events are encoded."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Writes],
        topology: Topology,
        encode: Mapping[str, EncodeEvent] | None,
    ) -> None:
        self._name = name
        self._function = function
        declared = topology.agents[name]
        self._allowed = declared.writes
        self._states = {declared.state.keyspace} if declared.state else set()
        self._topics = {table: t.topic for table, t in topology.clickhouse.tables.items()}
        self._encode = encode

    def run(self, frame: Frame, *states: States) -> Writes:
        """Call the function with a frame, and with states if the agent has state."""
        writes = self._function(frame, *states)
        self._check(frame, writes)
        if not writes.events or self._encode is None:
            return writes
        outgoing = [
            self._encode[emit.topic](event) for emit in writes.events for event in emit.events
        ]
        return replace(writes, events=(), outgoing=outgoing)

    def _check(self, frame: Frame, writes: Writes) -> None:
        undeclared = {rows.table for rows in writes.rows} - set(self._allowed.tables)
        undeclared |= {op.keyspace for op in writes.redis} - set(self._allowed.keyspaces)
        undeclared |= {emit.topic for emit in writes.events} - set(self._allowed.topics)
        undeclared |= {state.keyspace for state in writes.state} - self._states
        if undeclared:
            raise ConfigError(
                f"topology.yaml: agents.{self._name}.writes: the agent wrote to "
                f"{sorted(undeclared)}, which it does not declare; add them to its tables, "
                f"keyspaces or topics, or its state"
            )
        topic = frame.block.topic
        foreign = {rows.table for rows in writes.rows if self._topics[rows.table] != topic}
        if foreign:
            raise ConfigError(
                f"topology.yaml: agents.{self._name}.writes: the agent wrote rows of topic "
                f"{topic!r} to {sorted(foreign)}, which holds another topic's "
                f"(clickhouse.tables.*.topic); a view can join them"
            )
        for state in writes.state:
            _check_state(state)


def _check_state(state: State) -> None:
    """Raise TypeError or ValueError as the agent itself would, so that the record is set aside."""
    for key, value in state.values.items():
        if value is not None and not isinstance(value, bytes):
            raise TypeError(f"the state of {key!r} is a {type(value).__name__}, not bytes")
    for key, due in state.due.items():
        if state.values.get(key) is None:
            raise ValueError(f"{key!r} is due at {due}, and no state of it is kept")
        if not isinstance(due, int) or due <= 0:
            raise ValueError(f"{key!r} is due at {due!r}, which is no time in ms")


def poison(
    name: str,
    function: AgentFunction | StatefulAgent,
    frame: Frame,
    states: States | None = None,
) -> tuple[list[Bad], Frame]:
    """Find the records that make an agent raise; return them and the frame without them.

    Halves the frame until single records remain: O(p log n) calls for p poison records of n. A
    failure that only several records together cause dead-letters all records of the smallest
    frame that still fails. ``states`` are those before the block, of an agent that has some: each
    part is run with the states that the parts before it leave.
    """
    bad: list[Bad] = []
    kept: list[pl.DataFrame] = []
    index = {int(offset): i for i, offset in enumerate(frame.block.offsets)}

    def run(df: pl.DataFrame, held: States) -> States:
        part = Frame(frame.block, df)
        if isinstance(function, StatefulAgent):
            return after(held, function.run(part, held))
        function(part)
        return held

    def visit(df: pl.DataFrame, held: States) -> States:
        """Returns the states after ``df``."""
        try:
            left = run(df, held)
        except Exception as error:
            if df.height == 0:
                raise Terminal(f"agent {name!r} raised on an empty frame: {error!r}") from error
            if df.height > 1:
                half = df.height // 2
                before = len(bad)
                left = visit(df[half:], visit(df[:half], held))
                if len(bad) > before:
                    return left
                del kept[-2:]
            kind = type(error).__name__
            reason = f"agent {name!r} raised {kind}: {error}"
            bad.extend(
                Bad(index[o], "agent", reason, error=kind, agent=name) for o in df[OFFSET].to_list()
            )
            return held
        kept.append(df)
        return left

    visit(frame.df, states or {})
    rest = pl.concat(kept) if kept else frame.df.clear()
    order = np.argsort(rest[OFFSET].to_numpy(), kind="stable")
    return bad, replace(frame, df=rest[order])
