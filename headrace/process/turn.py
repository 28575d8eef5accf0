"""One event's turn of an instance: the changes that the engine is made of."""

from __future__ import annotations

from dataclasses import replace

from headrace.process.event import Emitted, Event
from headrace.process.instance import Instance, Status, Step
from headrace.process.machine import Ask, Machine
from headrace.topology.processes import Move, State

#: What the transition out of a compensating state with nothing left to undo is named for.
UNDONE = "undone"


class Turn:
    """``now`` is the instance as it is by now. Whatever is sent is told by the next ``record``."""

    def __init__(self, machine: Machine, now: Instance, event: Event, emitted: Emitted) -> None:
        self.machine = machine
        self.now = now
        self.event = event
        self._emitted = emitted
        self._sent: list[str] = []

    @property
    def state(self) -> State:
        """The declaration of the state that the instance is in."""
        return self.machine.states[self.now.state]

    def move_on(self, event: str) -> Move | None:
        """The first move of the state that applies to an event."""
        awaited = self.machine.awaits[self.now.state]
        step = self.now.steps.get(awaited) if awaited is not None else None
        tried = 0 if step is None else step.attempt
        for move in self.state.on.get(event, ()):
            if (move.when is None or move.when in self.event.holds) and (
                move.attempts is None or tried < move.attempts
            ):
                return move
        return None

    def go(self, move: Move, on: str) -> None:
        """Take a move."""
        if move.keep:
            fields = self.event.fields
            kept = {name: fields[name] for name in move.keep}
            self.now = replace(self.now, data={**self.now.data, **kept})
        self.enter(move.to, on)

    def enter(self, name: str, on: str) -> None:
        """Go to a state: send its commands, set its timer, begin to undo if it compensates."""
        before, state = self.now.state, self.machine.states[name]
        self.now = replace(self.now, state=name, fires=0, stuck=False, due=None)
        for command in state.send:
            self._send(command)
        if state.compensate is not None:
            self.now = replace(self.now, via=name)
            self._undo_or_leave(state.compensate, before, on)
            return
        if state.final:
            self.now = replace(self.now, due=self._wall + self.machine.forget_ms)
        else:
            self.arm()
        self.record(before, on)

    def undo_next(self, on: str) -> None:
        """After an undo: the next one, or on to where compensation leads."""
        if self.state.compensate is not None:
            self._undo_or_leave(self.state.compensate, self.now.state, on)

    def _undo_or_leave(self, to: str, before: str, on: str) -> None:
        open_ = (
            command
            for command, step in reversed([*self.now.steps.items()])
            if step.status in (Status.SENT, Status.DONE) and self.machine.asks[command].undo
        )
        command = next(open_, None)
        if command is not None:
            self.undo(command)
            self.record(before, on)
            return
        if before == self.now.state:
            self.enter(to, on)
        else:
            self.record(before, on)
            self.enter(to, UNDONE)

    def undo(self, command: str) -> None:
        """Ask for the undo of a command, as a new request."""
        attempt = self.now.steps[command].undo_attempt + 1
        changed = self.now.with_step(
            command, status=Status.UNDOING, undo_attempt=attempt, undo_sends=1
        )
        self.now = replace(changed, fires=0, stuck=False)
        self._emit_undo(command)
        self.arm()

    def send_again(self) -> None:
        """The request that is open, as it was: services know it by its key."""
        command = self.now.undoing()
        if command is not None:
            step = self.now.steps[command]
            self.now = self.now.with_step(command, undo_sends=step.undo_sends + 1)
            self._emit_undo(command)
            return
        command = self.machine.awaits[self.now.state]
        step_ = self.now.steps.get(command) if command is not None else None
        if command is not None and step_ is not None and step_.status is Status.SENT:
            self.now = self.now.with_step(command, sends=step_.sends + 1)
            self._emit(self.machine.asks[command], step_.attempt, step_.sends + 1)

    def ask_again(self) -> None:
        """As ``send_again``; what was refused is asked for as a new request."""
        undoing, awaited = self.now.undoing(), self.machine.awaits[self.now.state]
        if undoing is not None and self.now.steps[undoing].status is Status.REFUSED:
            self.undo(undoing)
        elif awaited is not None and self.now.steps[awaited].status is Status.FAILED:
            self._send(awaited)
        else:
            self.send_again()

    def stick(self, on: str) -> None:
        """Nothing leads on: wait for an operator, or for an answer after all."""
        self.now = replace(self.now, stuck=True, due=None)
        self.record(self.now.state, on)

    def arm(self) -> None:
        """Set the state's timer, or none."""
        timer = self.state.timer
        if timer is None:
            self.now = replace(self.now, due=None)
            return
        start = self.event.at if timer.clock == "event" else self._wall
        wait = round(timer.after_s * 1_000 * timer.backoff**self.now.fires)
        self.now = replace(self.now, due=start + wait)

    @property
    def _wall(self) -> int:
        """The wall's time: a timer fires when it is due, or later."""
        event = self.event
        is_timer = event.type == self.machine.names.timer
        return max(event.at, event.arrived) if is_timer else event.arrived

    def record(self, before: str, on: str) -> None:
        """Emit the transition that was just made."""
        sequence = self.now.sequence + 1
        self.now = replace(self.now, sequence=sequence)
        names, topics, event = self.machine.names, self.machine.topics, self.event
        self._emitted.transitions.append(
            {
                topics.transitions_instance: event.instance,
                topics.transitions_id: f"{self.machine.name}/{event.instance}/{sequence}",
                names.time: event.at,
                "process": self.machine.name,
                "sequence": sequence,
                "from_state": before,
                "to_state": self.now.state,
                "on": on,
                "cause": event.id,
                "commands": self._sent,
                "stuck": self.now.stuck,
                "final": self.state.final,
            }
        )
        self._sent = []

    def _send(self, command: str) -> None:
        """A command of a state: one that nobody answers once, another as a new attempt."""
        ask, step = self.machine.asks[command], self.now.steps.get(command)
        if step is not None and not ask.answers:
            return
        made = Step(
            status=Status.SENT if ask.answers else Status.TOLD,
            attempt=1 if step is None else step.attempt + 1,
        )
        self.now = replace(self.now, steps={**self.now.steps, command: made})
        self._emit(ask, made.attempt, made.sends)

    def _emit_undo(self, command: str) -> None:
        asks, step = self.machine.asks, self.now.steps[command]
        undo = asks[command].undo
        assert undo is not None
        undone = self.machine.key(self.event.instance, command, step.attempt)
        self._emit(asks[undo], step.undo_attempt, step.undo_sends, undone)

    def _emit(self, ask: Ask, attempt: int, sends: int, undoes: str | None = None) -> None:
        names, topics, event = self.machine.names, self.machine.topics, self.event
        key = self.machine.key(event.instance, ask.name, attempt)
        command = {
            **ask.payload(self.now.data),
            topics.commands_instance: event.instance,
            topics.commands_id: f"{key}/{sends}",
            names.time: event.at,
            names.type: ask.type,
            names.answers: key,
        }
        if undoes is not None:
            command[names.undoes] = undoes
        self._emitted.commands.append(command)
        self._sent.append(key)
