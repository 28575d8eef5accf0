"""Transitions of processes to their raw table."""

from headrace.frame import Frame
from headrace.writes import Rows, Writes


def history(frame: Frame) -> Writes:
    """All columns of all transitions, as they are."""
    return Writes((Rows("transitions", frame.df),))
