"""The built-in agents: what is declared and kept in Redis, as functions of frames.

Each is named as its declaration: ``headrace.declared.agents:<name>`` is that of the topology in the
current folder, :func:`of` that of any.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from headrace.declared.plan import Feed, Plan, plan
from headrace.declared.redis import updates
from headrace.declared.shape import Shape
from headrace.errors import ConfigError
from headrace.frame import Frame
from headrace.topology.declared import Declared
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Writes

MODULE = __name__


class Agent:
    """One declaration's agent. Compiled for a topic when its first frame comes, by its columns."""

    def __init__(self, name: str, declared: Declared) -> None:
        self.__name__ = name
        self._declared = declared
        self._compiled: dict[str, tuple[Plan, Feed]] = {}

    def __call__(self, frame: Frame) -> Writes:
        """The updates of a frame's events."""
        if not len(frame):
            return NOTHING
        if frame.topic not in self._compiled:
            shape = Shape(dict(frame.df.schema))
            made, notes = plan(self.__name__, self._declared, {frame.topic: shape})
            if notes:
                raise ConfigError(f"declared.{self.__name__}: {notes[0].wrong}; {notes[0].fix}")
            self._compiled[frame.topic] = made, made.feeds[frame.topic]
        made, feed = self._compiled[frame.topic]
        return Writes(redis=tuple(updates(made, feed, frame.df)))


def of(topology: Topology, name: str) -> Agent:
    """The agent of a declaration."""
    return Agent(name, topology.declared[name])


@cache
def _project(root: Path) -> Topology:
    from headrace.topology import load

    return load(root)


def __getattr__(name: str) -> Agent:
    if name.startswith("__"):
        raise AttributeError(name)
    topology = _project(Path.cwd())
    if name not in topology.declared:
        raise AttributeError(f"topology.yaml declares no {name!r}")
    return of(topology, name)
