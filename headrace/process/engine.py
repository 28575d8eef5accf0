"""The function of a process manager. No clock, no chance, no I/O: equal inputs, equal outputs.

So a block that is repeated after a crash emits the same events with the same ids, and the topics'
``dedupe`` drops them.
"""

from __future__ import annotations

from dataclasses import replace

from headrace.process.event import Emitted, Event
from headrace.process.instance import Instance, Status
from headrace.process.machine import Machine
from headrace.process.turn import Turn
from headrace.topology.processes import TIMEOUT


def react(
    machine: Machine, before: Instance | None, event: Event, emitted: Emitted
) -> Instance | None:
    """What is kept after an event; None: nothing. What it emits is added to ``emitted``.

    An event that no move is declared for, or that answers nothing that is open, changes nothing:
    so events that come twice, late or for a forgotten instance are harmless.
    """
    turn = Turn(machine, before or Instance(machine.process.initial), event, emitted)
    if _runs_out(turn):
        if turn.state.final:
            return None
        _run_out(turn)
    if event.type == machine.names.resume:
        _resume(turn)
    elif event.type != machine.names.timer:
        _handle(turn)
    return None if before is None and turn.now.sequence == 0 else turn.now


def _runs_out(turn: Turn) -> bool:
    """Whether the timer has: by an event of the timer, or by any if it counts in event time."""
    due, timer = turn.now.due, turn.state.timer
    if due is None or turn.event.at < due:
        return False
    by_event = timer is not None and timer.clock == "event"
    return by_event or turn.event.type == turn.machine.names.timer


def _run_out(turn: Turn) -> None:
    timer = turn.state.timer
    if timer is not None and turn.now.fires < timer.resend:
        turn.now = replace(turn.now, fires=turn.now.fires + 1)
        turn.send_again()
        turn.arm()
        turn.record(turn.now.state, turn.machine.names.timer)
    elif (move := turn.move_on(TIMEOUT)) is not None:
        turn.go(move, TIMEOUT)
    else:
        turn.stick(TIMEOUT)


def _resume(turn: Turn) -> None:
    """An operator's word: whatever a stuck instance waits for is asked for again."""
    if not turn.now.stuck:
        return
    turn.now = replace(turn.now, stuck=False, fires=0)
    turn.ask_again()
    turn.arm()
    turn.record(turn.now.state, turn.machine.names.resume)


def _handle(turn: Turn) -> None:
    event, machine = turn.event, turn.machine
    if event.type not in machine.answers:
        if (move := turn.move_on(event.type)) is not None:
            turn.go(move, event.type)
        return
    named = machine.read_key(event.answers, event.instance)
    if named is None:
        return
    command, attempt = named
    ask = machine.asks.get(command)
    done = None if ask is None else ask.answers.get(event.type)
    if ask is None or done is None:
        return
    if ask.undoes is not None:
        _undo_answered(turn, ask.undoes, attempt, done)
    else:
        _answered(turn, command, attempt, done)


def _answered(turn: Turn, command: str, attempt: int, done: bool) -> None:
    step = turn.now.steps.get(command)
    if step is None or step.attempt != attempt or step.seen:
        return
    if not done:
        if step.status is Status.SENT:  # else it is being undone already, which does no harm
            turn.now = turn.now.with_step(command, status=Status.FAILED)
            _move_or_stick(turn, command)
        return
    if step.status is Status.FAILED:
        return
    turn.now = turn.now.with_step(command, seen=True)
    if step.status is Status.SENT:
        turn.now = turn.now.with_step(command, status=Status.DONE)
        _move_or_stick(turn, command)
    elif not _turn_back(turn, command):
        _undo_late(turn, command)


def _move_or_stick(turn: Turn, command: str) -> None:
    """On by an answer; only the answer that the state waits for must lead on."""
    awaited = turn.machine.awaits[turn.now.state] == command
    if not awaited and turn.now.undoing() is not None:
        return
    move = turn.move_on(turn.event.type)
    if move is not None:
        turn.go(move, turn.event.type)
    elif awaited:
        turn.stick(turn.event.type)


def _undo_answered(turn: Turn, command: str, attempt: int, done: bool) -> None:
    step = turn.now.steps.get(command)
    if step is None or step.status is not Status.UNDOING or step.undo_attempt != attempt:
        return
    if done:
        turn.now = turn.now.with_step(command, status=Status.UNDONE)
        turn.undo_next(turn.event.type)
    elif not _turn_back(turn, command):
        turn.now = turn.now.with_step(command, status=Status.REFUSED)
        turn.stick(turn.event.type)


def _turn_back(turn: Turn, command: str) -> bool:
    """Leave compensation because the command can't be undone, where a move says so.

    Only while nothing else has been undone: what is gone can't be built upon.
    """
    open_ = (Status.UNDOING, Status.REFUSED, Status.UNDONE)
    others = [s.status for name, s in turn.now.steps.items() if name != command]
    move = turn.move_on(turn.event.type) if turn.state.compensate else None
    if (
        move is None
        or turn.now.steps[command].status is Status.UNDONE
        or any(status in open_ for status in others)
    ):
        return False
    turn.now = turn.now.with_step(command, status=Status.DONE)
    turn.go(move, turn.event.type)
    return True


def _undo_late(turn: Turn, command: str) -> None:
    """It was done after all, for all we know after its undo: undo it once more."""
    status = turn.now.steps[command].status
    turn.now = turn.now.with_step(command, status=Status.DONE)
    via = turn.now.via
    if turn.state.compensate:
        if status in (Status.UNDOING, Status.REFUSED):
            turn.undo(command)
            turn.record(turn.now.state, turn.event.type)
        # Else another undo is open; this one follows in its turn.
    elif via is not None and turn.machine.states[via].compensate == turn.now.state:
        turn.enter(via, turn.event.type)
