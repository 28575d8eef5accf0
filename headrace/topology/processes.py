"""Processes: what happens to an instance step by step, and how it is undone (docs/processes.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StrictStr, StringConstraints

from headrace.rules.rule import Text
from headrace.topology.base import Model, Name, Reference, TopicName

#: A symbol of the schema's enum of types.
EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$", max_length=64)]
#: What a state's ``on`` calls a timer that ran out.
TIMEOUT = "timeout"


class Names(Model):
    """Fields of the three topics' schemas that the engine itself reads and writes.

    Ids are the topics' ``dedupe`` keys and instances their ``key``; ``timer`` and ``resume`` are
    types of events that the process's own topic gets from the engine and from an operator.
    """

    type: Name = "type"
    time: Name = "occurred_at"
    #: In a command its idempotency key; in an event the key of the command that it answers.
    answers: Name = "idempotency_key"
    #: In a command that undoes another: the other's idempotency key.
    undoes: Name = "undoes"
    timer: EventType = "timer_due"
    resume: EventType = "resume_requested"


class Constant(Model):
    """The same value in every command."""

    value: StrictStr | StrictInt | StrictBool


class Command(Model):
    """What a service is asked for.

    A command with ``answers`` is awaited and sent again until one of them came; one without is
    sent once. ``fields`` take what the process keeps, by its name. ``undo`` names the command that
    makes this one not have happened, whether it had, or has yet to, or never will.
    """

    type: EventType
    fields: dict[Name, Name | Constant] = Field(default_factory=dict)
    #: ``(kept) -> fields``: pure, for what ``fields`` can't say; its fields win.
    hook: Reference | None = None
    answers: dict[EventType, Literal["done", "failed"]] = Field(default_factory=dict)
    undo: Name | None = None
    doc: str = ""


class Move(Model):
    """To another state. The first of an event's moves that applies is taken.

    ``when`` is an expression over the event's fields. ``attempts`` limits how often the state's
    command is tried by this move. ``keep`` remembers fields of the event.
    """

    to: Name
    when: Text | None = None
    attempts: Annotated[int, Field(ge=2, le=1_000)] | None = None
    keep: tuple[Name, ...] = ()


class Timer(Model):
    """How long a state waits before its command is sent again, and then before ``timeout``.

    ``wall`` counts from the arrival of the event in Kafka; ``event`` from the time in the event,
    and runs out by the next event of the instance that is later, or by the wall.
    """

    after_s: Annotated[float, Field(gt=0, le=31_536_000)]
    clock: Literal["wall", "event"] = "wall"
    resend: Annotated[int, Field(ge=0, le=1_000)] = 0
    #: Each wait is so many times the one before it.
    backoff: Annotated[float, Field(ge=1, le=10)] = 2.0


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


Moves = Annotated[tuple[Move, ...], BeforeValidator(_several), Field(min_length=1)]


class State(Model):
    """Where an instance can be: what is sent on the way in, and what leads out.

    ``compensate`` undoes what was done, last first, then goes to the state it names.
    """

    doc: str = ""
    send: tuple[Name, ...] = ()
    timer: Timer | None = None
    on: dict[EventType, Moves] = Field(default_factory=dict)
    compensate: Name | None = None
    final: bool = False


class Process(Model):
    """A process manager: one instance for each key of its topic."""

    doc: str = ""
    owner: str = ""
    #: Its only input: every event about an instance, in one topic by the instance's key.
    topic: TopicName
    commands_topic: TopicName
    transitions_topic: TopicName
    names: Names = Names()
    initial: Name
    states: Annotated[dict[Name, State], Field(min_length=2)]
    commands: dict[Name, Command] = Field(default_factory=dict)
    #: How long an instance in a final state is remembered for answers that come late.
    forget_after_s: Annotated[int, Field(ge=1)] = 604_800

    def awaited(self, state: str) -> str | None:
        """The command whose answer a state waits for."""
        sent = self.states[state].send
        return next((c for c in sent if c in self.commands and self.commands[c].answers), None)
