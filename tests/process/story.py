"""One order told event by event: what the process does of each."""

from __future__ import annotations

from functools import cache
from typing import Any

from bench.saga.wire import PROCESS, PROJECT
from headrace import topology
from headrace.process.engine import react
from headrace.process.event import Emitted, Event
from headrace.process.instance import Instance
from headrace.process.machine import Machine, compiled
from headrace.topology import Topology

ORDER = "o1"
PLACED = {"user_id": "u1", "amount": "12.50", "currency": "EUR", "lines": []}


@cache
def declared() -> Topology:
    """The example's topology."""
    return topology.load(PROJECT)


@cache
def saga() -> Machine:
    """The example's process."""
    return compiled(declared(), PROCESS)


def key(command: str, attempt: int = 1) -> str:
    """A command's idempotency key."""
    return saga().key(ORDER, command, attempt)


class Story:
    """``now`` is what is kept; each call returns the types of the commands that an event led to."""

    def __init__(self, of: Machine | None = None) -> None:
        self.machine = of or saga()
        self.now: Instance | None = None
        self.at = 1_000_000
        self.emitted = Emitted()
        self._numbers = 0

    @property
    def state(self) -> str | None:
        return None if self.now is None else self.now.state

    @property
    def ways(self) -> list[tuple[str, str, str]]:
        """All transitions until now: from, on, to."""
        return [(t["from_state"], t["on"], t["to_state"]) for t in self.emitted.transitions]

    @property
    def last(self) -> dict[str, Any]:
        """The last command."""
        return self.emitted.commands[-1]

    def __call__(
        self,
        type_: str,
        answers: str | None = None,
        *,
        after_s: float = 1,
        holds: tuple[str, ...] = (),
        **fields: Any,
    ) -> list[str]:
        self.at += round(after_s * 1_000)
        return self._take(type_, answers, self.at, holds, fields)

    def placed(self) -> list[str]:
        return self("order_placed", **PLACED)

    def times_out(self) -> list[str]:
        """The timer, when it is due."""
        assert self.now is not None
        assert self.now.due is not None
        self.at = self.now.due
        return self._take(self.machine.names.timer, None, self.at, (), {})

    def _take(
        self, type_: str, answers: str | None, at: int, holds: tuple[str, ...],
        fields: dict[str, Any],
    ) -> list[str]:  # fmt: skip
        self._numbers += 1
        event = Event(ORDER, f"e{self._numbers}", type_, at, at, answers, frozenset(holds), fields)
        before = len(self.emitted.commands)
        self.now = react(self.machine, self.now, event, self.emitted)
        return [command["type"] for command in self.emitted.commands[before:]]
