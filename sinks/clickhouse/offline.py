"""Views without a server: the same DDL in a chDB of this process, for as long as it is open."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import chdb
import polars as pl

from headrace.closing import Closing
from headrace.errors import ConfigError, Terminal
from headrace.topology.model import Topology
from sinks.clickhouse.contents import FORMAT, SETTINGS, frame_of, select
from sinks.clickhouse.ddl import define, statements, table_columns
from sinks.clickhouse.insert import arrow_stream, insert_settings
from sinks.clickhouse.literals import text

#: Rows of a table that are inserted at a time: views aggregate each insert by itself, then merge.
ROWS = 262_144
_JOIN = re.compile(r"(?<!array)\s+join\b", re.IGNORECASE)


class OfflineViews(Closing):
    """Views and the tables that feed them, which keep nothing themselves.

    One can be open in a process at a time: chDB has one data folder.
    """

    def __init__(self, root: Path, topology: Topology, names: Iterable[str]) -> None:
        """Raises ConfigError for a view whose SELECT joins: when rows came, nobody knows."""
        self._views = {name: topology.clickhouse.views[name] for name in names}
        self._database = topology.clickhouse.database
        self._waiting: dict[str, list[pl.DataFrame]] = {}
        for name, view in self._views.items():
            for table, query in view.from_.items():
                self._waiting[table] = []
                if _JOIN.search(query):
                    raise ConfigError(
                        f"clickhouse.views.{name}.from.{table}: its SELECT joins other tables, "
                        f"whose rows at that time are not known offline"
                    )
        self._folder = tempfile.TemporaryDirectory(prefix="headrace-backtest-")
        self._connection: Any = chdb.connect(str(Path(self._folder.name) / "data"))
        self._make(root, topology)

    def close(self) -> None:
        """Forget all of it."""
        self._connection.close()
        self._folder.cleanup()

    @property
    def tables(self) -> tuple[str, ...]:
        """The raw tables that feed the views."""
        return tuple(self._waiting)

    def insert(self, table: str, rows: pl.DataFrame) -> None:
        """Rows of a raw table, as its agent wrote them."""
        waiting = self._waiting[table]
        waiting.append(rows)
        if sum(frame.height for frame in waiting) >= ROWS:
            self._flush(table)

    def rows(self, name: str) -> pl.DataFrame:
        """What a view holds now, by its key."""
        for table in self._waiting:
            self._flush(table)
        return self._frame(select(self._database, name, self._views[name]))

    def _frame(self, sql: str) -> pl.DataFrame:
        return frame_of(bytes(self._run(sql, FORMAT).bytes()))

    def _make(self, root: Path, topology: Topology) -> None:
        settings = {**insert_settings(None, ()), **SETTINGS}
        self._run("SET " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        self._run(f"CREATE DATABASE {self._database}")
        self._run(f"USE {self._database}")
        for table in self.tables:
            columns = ", ".join(map(define, table_columns(topology, root, table)))
            self._run(f"CREATE TABLE `{table}` ({columns}) ENGINE = Null")
        views = {  # nothing is too old here
            name: view.model_copy(update={"ttl": None}) for name, view in self._views.items()
        }
        alone = {
            "clickhouse": topology.clickhouse.model_copy(
                update={"engine": "plain", "tables": {}, "views": views}
            ),
            # Each row is inserted once: nothing has to be remembered.
            "delivery": topology.delivery.model_copy(update={"guarantee": "at_least_once"}),
        }
        for statement in statements(topology.model_copy(update=alone), root):
            self._run(statement.sql)

    def _flush(self, table: str) -> None:
        frames, self._waiting[table] = self._waiting[table], []
        if frames:
            self._insert(table, pl.concat(frames))

    def _insert(self, table: str, rows: pl.DataFrame) -> None:
        file = Path(self._folder.name) / "rows"
        file.write_bytes(arrow_stream(rows))
        columns = ", ".join(f"`{name}`" for name in rows.columns)
        self._run(
            f"INSERT INTO `{table}` ({columns}) FROM INFILE {text(str(file))} FORMAT {FORMAT}"
        )

    def _run(self, sql: str, form: str = "Null") -> Any:
        try:
            return self._connection.query(sql, form)
        except (chdb.ChdbError, RuntimeError) as error:
            raise Terminal(f"clickhouse.views, offline: {error}") from error
