"""A view as it was at moments of event time: never with an event that came to pass later."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl

from headrace.declared.asof import AT, ROW
from headrace.topology.model import Topology
from sinks.clickhouse.contents import select
from sinks.clickhouse.ddl import define, table_columns
from sinks.clickhouse.offline import OfflineViews

_ASKED = "asked_for"


class ViewAsOf(OfflineViews):
    """Takes the rows of a view's tables in any order, then feeds them to it by event time.

    Rows wait on the disk, by time. Each moment costs two statements (about 20 ms), so the work
    grows with how many different moments are asked for.
    """

    def __init__(self, root: Path, topology: Topology, name: str, time: str) -> None:
        """``time`` is the field of event time of all tables that feed the view."""
        super().__init__(root, topology, [name])
        self._name = name
        self._time = time
        for table in self.tables:
            columns = ", ".join(map(define, table_columns(topology, root, table)))
            self._run(
                f"CREATE TABLE `{_waiting(table)}` ({columns}) ENGINE = MergeTree ORDER BY `{time}`"
            )

    def answers(self, asked: pl.DataFrame) -> pl.DataFrame:
        """The view's columns and ``ROW`` for the keys that had a value at their moment.

        ``asked`` has the columns of the view's ``order_by``, ``AT`` and ``ROW``.
        """
        view = self._views[self._name]
        for table in self.tables:
            self._flush(table)
        key = list(view.order_by)
        columns = [*(f"`{name}` {view.columns[name]}" for name in key)]
        self._run(
            f"CREATE TABLE {_ASKED} ({', '.join(columns)}, `{AT}` Int64, `{ROW}` UInt32) "
            f"ENGINE = MergeTree ORDER BY `{AT}`"
        )
        super()._insert(_ASKED, asked.select(*key, AT, ROW))
        found = list(self._by_moment(asked[AT].unique().sort().to_list(), key))
        return pl.concat(found) if found else self._frame(self._held(key, 0))

    def _by_moment(self, moments: list[int], key: list[str]) -> Iterator[pl.DataFrame]:
        for before, moment in pairwise([None, *moments]):
            assert moment is not None
            for table in self.tables:
                after = "" if before is None else f"`{self._time}` >= {_behind(before)} AND "
                self._run(
                    f"INSERT INTO `{table}` SELECT * FROM `{_waiting(table)}` "
                    f"WHERE {after}`{self._time}` < {_behind(moment)}"
                )
            yield self._frame(self._held(key, moment))

    def _held(self, key: list[str], moment: int) -> str:
        listed = ", ".join(f"`{name}`" for name in key)
        there = f"({listed}) IN (SELECT {listed} FROM {_ASKED} WHERE `{AT}` = {moment})"
        rows = select(self._database, self._name, self._views[self._name], there)
        return (
            f"SELECT held.*, asked.`{ROW}` FROM ({rows}) AS held "
            f"INNER JOIN (SELECT * FROM {_ASKED} WHERE `{AT}` = {moment}) AS asked USING ({listed})"
        )

    def _insert(self, table: str, rows: pl.DataFrame) -> None:
        super()._insert(_waiting(table), rows)


def _waiting(table: str) -> str:
    return f"waiting_{table}"


def _behind(moment: int) -> str:
    """Behind all of a millisecond, whatever the resolution of event time."""
    return f"fromUnixTimestamp64Milli({moment + 1}, 'UTC')"
