"""Rows that agents wrote to raw tables, computed again from the frames they got."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from headrace.agent import AgentFunction, functions, poison
from headrace.errors import ConfigError, HeadraceError
from headrace.frame import Frame
from headrace.topology.model import Topology
from headrace.writes import Writes


class Written:
    """One table's rows. Only its own agent is run.

    A record that makes that agent raise is left out, as a worker sets it aside. One that makes
    another agent raise is not: a worker leaves it out for all.
    """

    def __init__(self, topology: Topology, table: str) -> None:
        """Raises ConfigError if no agent writes the table, or one that keeps state."""
        owners = [n for n, agent in topology.agents.items() if table in agent.writes.tables]
        if not owners:
            raise ConfigError(f"topology.yaml: table {table!r} is written by no agent")
        self._agent = owners[0]
        if topology.agents[self._agent].state is not None:
            raise ConfigError(
                f"topology.yaml: table {table!r} is written by agent {self._agent!r}, which keeps "
                f"state: what it wrote can't be told from single frames"
            )
        self._function: AgentFunction = functions(topology)[self._agent]
        self._table = table

    def of(self, frame: Frame) -> Iterator[pl.DataFrame]:
        """The rows for a frame of the table's topic."""
        for rows in self._run(frame).rows:
            if rows.table == self._table and rows.frame.height:
                yield rows.frame

    def _run(self, frame: Frame) -> Writes:
        try:
            return self._function(frame)
        except HeadraceError:
            raise
        except Exception:  # an agent is anybody's code
            _, good = poison(self._agent, self._function, frame)
            return self._function(good)
