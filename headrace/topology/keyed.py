"""Agents with state by key: where it is kept, and the events that its timers make."""

from __future__ import annotations

from pydantic import Field

from headrace.topology.base import KeyspaceName, Model, Name

Literal = bool | int | float | str | None


class AgentState(Model):
    """State by ``key``, the key field of the one topic that the agent reads, in ``keyspace``."""

    keyspace: KeyspaceName
    key: Name


class Timer(Model):
    """The event that is sent to the agent's own topic when a key is due.

    Its key is the state's, its ``dedupe`` id names agent, key and time, ``at`` (a timestamp field)
    is the time that was due; ``event`` has the other fields.
    """

    at: Name
    event: dict[Name, Literal] = Field(default_factory=dict)
