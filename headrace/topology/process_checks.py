"""What the declared processes must satisfy: names that refer to each other, then where they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from headrace.rules.expressions import check as check_expression
from headrace.rules.wrong import Wrong
from headrace.topology import process_fields, process_flow
from headrace.topology.model import Topology
from headrace.topology.processes import TIMEOUT, Process
from headrace.topology.rules import dtypes_of
from headrace.topology.tree import Path, Tree

Schemas = Mapping[str, Mapping[str, Any]]
Problem = tuple[Path, Any, str, str]


def run(topology: Topology, tree: Tree, schemas: Schemas, root: FilePath) -> None:
    """Note every problem on the tree; ``schemas`` are those that could be parsed, by name."""
    for name, process in topology.processes.items():
        at = ("processes", name)
        found = [
            *_topics(topology, process), *_commands(process), *_states(process),
            *_initial(process), *_expressions(topology, process, root),
        ]  # fmt: skip
        for part, value, wrong, fix in found:
            tree.problem((*at, *part), value, wrong, fix)
        sound = _sound(process)
        if sound:  # where it goes can't be told before its names are right
            process_flow.check(process, tree, at)
        used = (process.topic, process.commands_topic, process.transitions_topic)
        topics = {topic: topology.topics[topic] for topic in used if topic in topology.topics}
        by_topic = {t: schemas[d.schema_] for t, d in topics.items() if d.schema_ in schemas}
        given = _envelope(topology, process)
        process_fields.check(process, tree, at, by_topic, given if sound else None)


def _sound(process: Process) -> bool:
    """Whether all states and commands that it names are there."""
    sent = {c for state in process.states.values() for c in state.send}
    undos = {c.undo for c in process.commands.values() if c.undo is not None}
    to = {edge.to for edge in process_flow.edges(process)}
    return {
        *to,
        process.initial,
    } <= process.states.keys() and sent | undos <= process.commands.keys()


def _envelope(topology: Topology, process: Process) -> frozenset[str]:
    """Fields of a command that the engine sets beside its type, time and keys."""
    topic = topology.topics.get(process.commands_topic)
    if topic is None:
        return frozenset()
    return frozenset({topic.key, *([topic.dedupe.key] if topic.dedupe else [])})


def _topics(topology: Topology, process: Process) -> Iterator[Problem]:
    used: dict[str, str] = {}
    for part in ("topic", "commands_topic", "transitions_topic"):
        name = getattr(process, part)
        topic = topology.topics.get(name)
        if topic is None:
            yield (part,), name, "no such topic", f"declared: {', '.join(topology.topics)}"
        first = used.setdefault(name, part)
        if first != part:
            yield (part,), name, f"is {first} already", "give each its own topic"


def _commands(process: Process) -> Iterator[Problem]:
    declared = process.commands
    sent = {c for state in process.states.values() for c in state.send}
    undone: dict[str, str] = {}
    for name, command in declared.items():
        undo = command.undo
        at = ("commands", name)
        if undo is not None:
            if undo not in declared:
                yield (*at, "undo"), undo, "no such command", f"declared: {', '.join(declared)}"
            elif not declared[undo].answers:
                yield (*at, "undo"), undo, "is answered by nobody", "say by what it is answered"
            elif declared[undo].undo is not None:
                yield (*at, "undo"), undo, "can be undone itself", "an undo is for good"
            if not command.answers:
                yield (*at, "undo"), undo, "its command is answered by nobody", "add answers"
            if undone.setdefault(undo, name) != name:
                yield (*at, "undo"), undo, f"undoes {undone[undo]!r} already", "declare another"
            if undo in sent:
                yield (*at, "undo"), undo, "is sent by a state too", "leave it to compensate"
        if command.answers and "done" not in command.answers.values():
            yield (*at, "answers"), list(command.answers), "none says done", "add the one that does"
        if name not in sent and name not in {c.undo for c in declared.values()}:
            yield at, name, "is never sent", "let a state send it, or remove it"


def _states(process: Process) -> Iterator[Problem]:
    for name, state in process.states.items():
        at = ("states", name)
        for i, command in enumerate(state.send):
            if command not in process.commands:
                known = ", ".join(process.commands) or "none"
                yield (*at, "send", i), command, "no such command", f"declared: {known}"
        awaited = [c for c in state.send if c in process.commands and process.commands[c].answers]
        if len(awaited) > 1:
            yield (*at, "send"), awaited, "waits for more than one answer", "one state for each"
        for edge in process_flow.edges(process):
            if edge.source == name and edge.to not in process.states:
                known = ", ".join(process.states)
                yield ("states", *edge.at), edge.to, "no such state", f"declared: {known}"
        if state.final and (state.on or state.timer or state.compensate or awaited):
            yield (*at, "final"), name, "nothing can follow a final state", "leave out what does"
        if TIMEOUT in state.on and state.timer is None:
            yield (*at, "on", TIMEOUT), TIMEOUT, "the state has no timer", "add timer"
        yield from _answers(process, name, awaited)
        yield from _attempts(process, name, awaited)


def _answers(process: Process, name: str, awaited: list[str]) -> Iterator[Problem]:
    """Every answer that a state waits for leads on; only some lead out of compensation."""
    state, at = process.states[name], ("states", name, "on")
    for command in awaited:
        for answer in process.commands[command].answers:
            if answer not in state.on:
                yield (
                    at,
                    list(state.on),
                    f"nothing for {answer!r}",
                    f"say where it leads from {name}",
                )
    if state.compensate is None:
        return
    if awaited:
        yield (
            ("states", name, "send"), awaited, "a compensating state waits for its undos",
            "send it in another state",
        )  # fmt: skip
    undone = {c for c, command in process.commands.items() if command.undo}
    undos = {command.undo for command in process.commands.values()}
    may = {a for c in undone for a, how in process.commands[c].answers.items() if how == "done"}
    may |= {
        a for c in undos if c in process.commands
        for a, how in process.commands[c].answers.items() if how == "failed"
    }  # fmt: skip
    for event in state.on:
        if event not in may:
            yield (
                (*at, event), event, "would leave what is being undone half done",
                f"only what can't be undone leads out: {', '.join(sorted(may)) or 'nothing'}",
            )  # fmt: skip


def _attempts(process: Process, name: str, awaited: list[str]) -> Iterator[Problem]:
    for event, moves in process.states[name].on.items():
        for i, move in enumerate(moves):
            index = (i,) if len(moves) > 1 else ()
            if move.attempts is not None and not (awaited and move.to == name):
                yield (
                    ("states", name, "on", event, *index, "attempts"), move.attempts,
                    "counts attempts of a command that the move does not repeat",
                    f"lead back to {name}, or leave it out",
                )  # fmt: skip


def _initial(process: Process) -> Iterator[Problem]:
    state = process.states.get(process.initial)
    if state is None:
        known = ", ".join(process.states)
        yield ("initial",), process.initial, "no such state", f"declared: {known}"
    elif state.send or state.timer or state.final or state.compensate:
        yield (
            ("initial",), process.initial, "an instance is there before its first event",
            "let the first event's move lead to a state that sends",
        )  # fmt: skip


def _expressions(topology: Topology, process: Process, root: FilePath) -> Iterator[Problem]:
    topic = topology.topics.get(process.topic)
    dtypes = dtypes_of(root, topic.schema_) if topic is not None else None
    if dtypes is None:
        return
    for name, state in process.states.items():
        for event, moves in state.on.items():
            for i, move in enumerate(moves):
                if move.when is None:
                    continue
                try:
                    check_expression(move.when, dtypes)
                except Wrong as error:
                    index = (i,) if len(moves) > 1 else ()
                    part = ("states", name, "on", event, *index, "when")
                    yield part, error.value, error.wrong, error.fix
