"""A process as a picture: Mermaid's state diagram, made from the declaration alone."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.topology.process_flow import UNDONE
from headrace.topology.processes import Move, Process


def mermaid(process: Process) -> str:
    """States with what they send, moves with what they are made on, in declared order."""
    lines = ["stateDiagram-v2", f"  [*] --> {process.initial}"]
    lines += [f"  {line}" for name in process.states for line in _state(process, name)]
    for name, state in process.states.items():
        lines += [
            f"  {name} --> {move.to}: {_label(on, move)}"
            for on, moves in state.on.items()
            for move in moves
        ]
        if state.compensate is not None:
            lines.append(f"  {name} --> {state.compensate}: all {UNDONE}")
            lines += [f"  {state.compensate} --> {name}: {event}, late" for event in _late(process)]
        if state.final:
            lines.append(f"  {name} --> [*]")
    return "\n".join(lines) + "\n"


def _state(process: Process, name: str) -> Iterator[str]:
    """What is written in a state's box, where there is anything beside its name."""
    state = process.states[name]
    told = [f"send {command}" for command in state.send]
    if state.compensate is not None:
        undos = (c.undo for c in reversed(process.commands.values()) if c.undo is not None)
        told += [f"undo by {', '.join(undos)}"]
    if state.timer is not None:
        clock = ", event time" if state.timer.clock == "event" else ""
        again = f", send again {state.timer.resend}×" if state.timer.resend else ""
        told.append(f"wait {state.timer.after_s:g} s{clock}{again}")
    if told:
        yield f"{name}: {'<br>'.join([name, *told])}"


def _label(on: str, move: Move) -> str:
    parts = [on]
    if move.when is not None:
        # A colon would end the label, and Mermaid knows entities without their ampersand.
        parts.append(f"if {move.when.replace(';', '#59;').replace(':', '#58;')}")
    if move.attempts is not None:
        parts.append(f"at most {move.attempts} attempts")
    return ", ".join(parts)


def _late(process: Process) -> Iterator[str]:
    """Answers that, coming after all was undone, lead back into compensation."""
    for command in process.commands.values():
        if command.undo is not None:
            yield from (event for event, how in command.answers.items() if how == "done")
