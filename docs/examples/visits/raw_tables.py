"""What declared sessions and joins tell, to raw tables named as their topics."""

from headrace.frame import Frame
from headrace.writes import Rows, Writes


def raw(frame: Frame) -> Writes:
    """All columns of all events, as they are."""
    return Writes((Rows(frame.topic.rpartition(".")[2], frame.df),))
