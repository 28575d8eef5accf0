"""Where a declared process can go: every state reached, every way out, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from headrace.topology.processes import Process
from headrace.topology.tree import Path, Tree

#: What leads out of a compensating state when there is nothing left to undo.
UNDONE = "undone"
Facts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Edge:
    """A move; ``at`` is its place in the declaration of states."""

    source: str
    on: str
    to: str
    at: Path
    keep: tuple[str, ...] = ()


def edges(process: Process) -> Iterator[Edge]:
    """All moves, and those that compensation makes by itself, in declared order."""
    for name, state in process.states.items():
        for on, moves in state.on.items():
            for i, move in enumerate(moves):
                yield Edge(name, on, move.to, (name, "on", on, *((i,) * (len(moves) > 1)), "to"),
                           move.keep)  # fmt: skip
        if state.compensate is not None:
            yield Edge(name, UNDONE, state.compensate, (name, "compensate"))


def check(process: Process, tree: Tree, at: Path) -> None:
    """Note every problem; the names that the process uses have been found to be declared."""
    arrows = list(edges(process))
    at = (*at, "states")
    reached = _closure({process.initial}, arrows, forward=True)
    for name in process.states.keys() - reached:
        tree.problem((*at, name), name, "no move leads here", "lead one here, or remove it")
    finals = {name for name, state in process.states.items() if state.final}
    for name in process.states.keys() - _closure(finals, arrows, forward=False):
        tree.problem(
            (*at, name), name, "no way leads from here to a final state",
            "add a move, or make it final",
        )  # fmt: skip
    _once(process, arrows, tree, at)
    _nothing_left(process, arrows, tree, at)


def _closure(start: set[str], arrows: list[Edge], *, forward: bool) -> set[str]:
    found, new = set(start), set(start)
    while new:
        ends = ((e.source, e.to) if forward else (e.to, e.source) for e in arrows)
        new = {b for a, b in ends if a in new} - found
        found |= new
    return found


def _failed(process: Process, edge: Edge) -> bool:
    """Whether it is taken because what its state asked for failed, for certain."""
    command = process.awaited(edge.source)
    return command is not None and process.commands[command].answers.get(edge.on) == "failed"


def _once(process: Process, arrows: list[Edge], tree: Tree, at: Path) -> None:
    """A command is tried again only when it failed for certain: else it might be done twice."""
    for edge in arrows:
        command = process.awaited(edge.to)
        if command is None:
            continue
        if edge.source == edge.to and _failed(process, edge):
            continue
        if edge.source in _closure({edge.to}, arrows, forward=True):
            tree.problem(
                (*at, *edge.at), edge.to,
                f"would send {command!r} again, which may have been done",
                "only a state's own failed answer may lead back; timer.resend repeats a request",
            )  # fmt: skip


def _nothing_left(process: Process, arrows: list[Edge], tree: Tree, at: Path) -> None:
    """What can be undone and may have been done is undone before a process ends in failure.

    It ended well where the answer that its state waited for says done, or after compensation.
    """
    sent = _forward(
        process, arrows, lambda edge, before: before | _undoable(process, edge.to), Facts.union
    )
    for edge in arrows:
        if not process.states[edge.to].final or edge.on == UNDONE:
            continue
        command = process.awaited(edge.source)
        answers = process.commands[command].answers if command is not None else {}
        left = sent.get(edge.source, Facts())
        if _failed(process, edge) and command is not None:
            left -= {command}
        if left and answers.get(edge.on) != "done":
            tree.problem(
                (*at, *edge.at), edge.to,
                f"ends while {', '.join(sorted(left))} may have been done",
                "go through a state with compensate",
            )  # fmt: skip


def _undoable(process: Process, state: str) -> Facts:
    declared = process.commands
    return Facts(c for c in process.states[state].send if c in declared and declared[c].undo)


def kept(process: Process) -> Mapping[str, Facts]:
    """What every way to a state has kept; of states that are reached."""
    return _forward(
        process, list(edges(process)), lambda edge, before: before | {*edge.keep},
        Facts.intersection,
    )  # fmt: skip


def _forward(
    process: Process,
    arrows: list[Edge],
    through: Callable[[Edge, Facts], Facts],
    join: Callable[[Facts, Facts], Facts],
) -> dict[str, Facts]:
    """A forward data-flow analysis (Kildall 1973) over the states, to its fixed point."""
    found: dict[str, Facts] = {process.initial: Facts()}
    changed = True
    while changed:
        changed = False
        for edge in arrows:
            if edge.source not in found:
                continue
            new = through(edge, found[edge.source])
            joined = join(found[edge.to], new) if edge.to in found else new
            if found.get(edge.to) != joined:
                found[edge.to], changed = joined, True
    return found
