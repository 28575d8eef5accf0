"""A declared process made ready to run: moves by state and event, commands with their hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.references import imported
from headrace.topology.model import Topology
from headrace.topology.processes import Constant, Names, Process, State

Hook = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Topics:
    """The fields that name an instance and an event's id, in each of the three topics."""

    instance: str
    id: str
    commands_instance: str
    commands_id: str
    transitions_instance: str
    transitions_id: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A command: ``constants`` and what is kept, by the names of its fields."""

    name: str
    type: str
    answers: Mapping[str, bool]  # event type → whether it says done
    constants: Mapping[str, Any]
    kept: Mapping[str, str]  # field → name of what is kept
    hook: Hook | None
    undo: str | None
    #: The command that this one undoes.
    undoes: str | None

    def payload(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Its fields, from what the process keeps. What is not kept is null."""
        fields = {**self.constants, **{name: data.get(kept) for name, kept in self.kept.items()}}
        return fields if self.hook is None else {**fields, **self.hook(data)}


@dataclass(frozen=True, eq=False)
class Machine:
    """``filters`` are the distinct expressions of all moves; an event says which of them hold."""

    name: str
    process: Process
    topics: Topics
    asks: Mapping[str, Ask]
    awaits: Mapping[str, str | None]
    filters: tuple[str, ...]
    #: Fields that a move keeps, by the event's type.
    keeps: Mapping[str, tuple[str, ...]]
    #: Types of events that answer a command: without its key they say nothing.
    answers: frozenset[str]

    @property
    def names(self) -> Names:
        """Fields and types of events that the engine itself knows."""
        return self.process.names

    @property
    def states(self) -> Mapping[str, State]:
        """The declared states."""
        return self.process.states

    @property
    def forget_ms(self) -> int:
        """How long an instance is kept that has ended."""
        return self.process.forget_after_s * 1_000

    def key(self, instance: str, command: str, attempt: int) -> str:
        """The idempotency key of a command."""
        return f"{self.name}/{instance}/{command}/{attempt}"

    def read_key(self, key: str | None, instance: str) -> tuple[str, int] | None:
        """The command and attempt that a key of this instance names; None for any other."""
        owner, *parts = (key or "").rsplit("/", 2)
        if owner != f"{self.name}/{instance}" or len(parts) != 2 or not parts[1].isdecimal():
            return None
        return parts[0], int(parts[1])


def compiled(topology: Topology, name: str) -> Machine:
    """Make a checked process ready; raises ConfigError for a hook that can't be imported."""
    process = topology.processes[name]
    moves = [
        (event, move)
        for state in process.states.values()
        for event, some in state.on.items()
        for move in some
    ]
    undoes = {c.undo: name for name, c in process.commands.items() if c.undo is not None}
    keeps: dict[str, dict[str, None]] = {}
    for event, move in moves:
        keeps.setdefault(event, {}).update(dict.fromkeys(move.keep))
    return Machine(
        name=name,
        process=process,
        topics=_topics(topology, process),
        asks={
            command: Ask(
                name=command,
                type=declared.type,
                answers={event: how == "done" for event, how in declared.answers.items()},
                constants={
                    f: source.value
                    for f, source in declared.fields.items()
                    if isinstance(source, Constant)
                },
                kept={
                    f: source for f, source in declared.fields.items() if isinstance(source, str)
                },
                hook=None if declared.hook is None else imported("hook", declared.hook),
                undo=declared.undo,
                undoes=undoes.get(command),
            )
            for command, declared in process.commands.items()
        },
        awaits={state: process.awaited(state) for state in process.states},
        filters=tuple(dict.fromkeys(move.when for _, move in moves if move.when is not None)),
        keeps={event: tuple(fields) for event, fields in keeps.items()},
        answers=frozenset(event for c in process.commands.values() for event in c.answers),
    )


def _topics(topology: Topology, process: Process) -> Topics:
    read, commands, transitions = (
        topology.topics[name]
        for name in (process.topic, process.commands_topic, process.transitions_topic)
    )
    assert read.dedupe is not None
    assert commands.dedupe is not None
    assert transitions.dedupe is not None
    return Topics(
        instance=read.key,
        id=read.dedupe.key,
        commands_instance=commands.key,
        commands_id=commands.dedupe.key,
        transitions_instance=transitions.key,
        transitions_id=transitions.dedupe.key,
    )
