"""The agent of the project whose views are replayed: workers import it by name."""

from __future__ import annotations

from headrace.frame import Frame
from headrace.writes import NOTHING, Rows, Writes

#: An amount that no agent can do anything with.
POISON = 666


def keep(frame: Frame) -> Writes:
    """All rows as they are."""
    return Writes((Rows("events", frame.df),))


def picky(frame: Frame) -> Writes:
    """Writes nothing, and raises for some records: those are set aside for every agent."""
    if (frame.df["amount"] == POISON).any():
        raise ValueError("an amount that nobody wants")
    return NOTHING
