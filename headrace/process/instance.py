"""What is kept of one instance between its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import orjson


class Status(str, Enum):
    """How far a command is."""

    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"  # its undo is sent
    REFUSED = "refused"  # its undo was refused: for an operator
    UNDONE = "undone"
    TOLD = "told"  # nobody answers it


@dataclass(frozen=True, slots=True)
class Step:
    """A command of this instance. An attempt is a new request, a sending repeats the same one.

    ``seen``: the answer that says this attempt was done has come.
    """

    status: Status
    attempt: int = 1
    sends: int = 1
    seen: bool = False
    undo_attempt: int = 0
    undo_sends: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """``steps`` stand in the order in which they were first sent. Times are ms since 1970.

    ``sequence`` counts transitions. ``fires`` counts how often the timer ran out while the same
    answer was awaited; ``due`` is when it does next. ``via`` is the compensating state that an
    instance went through last: an answer that comes late leads back there.
    """

    state: str
    sequence: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    due: int | None = None
    fires: int = 0
    stuck: bool = False
    via: str | None = None

    def with_step(self, command: str, **changes: Any) -> Instance:
        """The same with one step changed."""
        return replace(self, steps={**self.steps, command: replace(self.steps[command], **changes)})

    def undoing(self) -> str | None:
        """The command whose undo is awaited or was refused."""
        open_ = (Status.UNDOING, Status.REFUSED)
        return next((c for c, step in self.steps.items() if step.status in open_), None)


def encode(instance: Instance) -> bytes:
    """JSON, with what is kept in the order in which it was: it comes back as it went."""
    return orjson.dumps(
        [
            instance.state, instance.sequence, instance.data,
            [
                [name, s.status.value, s.attempt, s.sends, s.seen, s.undo_attempt, s.undo_sends]
                for name, s in instance.steps.items()
            ],
            instance.due, instance.fires, instance.stuck, instance.via,
        ]
    )  # fmt: skip


def decode(kept: bytes) -> Instance:
    """What ``encode`` wrote."""
    state, sequence, data, steps, due, fires, stuck, via = orjson.loads(kept)
    made = {name: Step(_STATUS[status], *rest) for name, status, *rest in steps}
    return Instance(state, sequence, data, made, due, fires, stuck, via)


_STATUS = {status.value: status for status in Status}
