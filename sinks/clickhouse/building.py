"""Builds versions of one view in ClickHouse and shows one of them to readers."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import clickhouse_connect
import polars as pl

from headrace.replay.store import Comparison
from headrace.security.address import clickhouse_options
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from sinks.clickhouse import versions
from sinks.clickhouse.compared import compare
from sinks.clickhouse.ddl import Window, create_target
from sinks.clickhouse.errors import FAILURES, classify
from sinks.clickhouse.insert import FORMAT, arrow_stream, insert_settings
from sinks.clickhouse.journal import Journal
from sinks.clickhouse.literals import text

ANSWER_TIMEOUT_S = 600
PAUSE_S = 0.02
#: How many INSERTs a version's target remembers while it is built: a range of which it is not known
#: whether it arrived is repeated, and live blocks come meanwhile.
BUILD_WINDOW = 100_000
#: Rows of a raw table that a view's select is tried with before live ones come to it.
TRIAL_ROWS = 1_000_000
_TABLE = re.compile(r"TABLE id: (\d+)\b.*table_name: (\S+)")
_COLUMN = re.compile(r"COLUMN id: \d+\b.*?column_name: ([^,]+), .*source_id: (\d+)")


class Building:
    """All methods raise Transient or Terminal; each may be repeated after any failure."""

    def __init__(self, topology: Topology, name: str, url: str) -> None:
        self._config = topology.clickhouse
        self._pipeline = topology.name
        self._database = topology.clickhouse.database
        self._name = name
        self._view = topology.clickhouse.views[name]
        try:
            self._client: Any = clickhouse_connect.get_client(
                **clickhouse_options(url),
                database=self._database,  # selects name their tables without it
                send_receive_timeout=ANSWER_TIMEOUT_S,
                autogenerate_session_id=False,
            )
        except FAILURES as error:
            raise classify(error, "clickhouse: connect") from error
        self.journal = Journal(self._client, self._database, name)
        self.definition = versions.definition(self._view)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def shown(self) -> int | None:
        """The version that readers see; None if the view is not there, or has no versions yet."""
        found = self.query(
            "SELECT as_select FROM system.tables WHERE database = {d:String} AND name = {t:String}",
            {"d": self._database, "t": self._name},
        )
        return versions.shown(self._name, found[0][0]) if found else None

    def held(self) -> list[int]:
        """The versions that there is a target of, ascending."""
        found = [versions.number(self._name, table) for table in self._objects()]
        return sorted(version for version in found if version is not None)

    def defined(self, version: int) -> str | None:
        """What its feeds' comments name; None if they name none, or several."""
        found = self.query(
            "SELECT DISTINCT comment FROM system.tables "
            "WHERE database = {d:String} AND startsWith(name, {feeds:String})",
            {"d": self._database, "feeds": versions.feed(self._name, version, "")},
        )
        return versions.defined(found[0][0]) if len(found) == 1 else None

    def columns(self, source: str) -> list[str]:
        """The columns of a raw table that the view's select reads, in the table's order."""
        table = self._qualified(source)
        tree = self.query(f"EXPLAIN QUERY TREE {self._view.from_[source].strip()}")
        lines = "\n".join(row[0] for row in tree)
        ids = {id_ for id_, name in _TABLE.findall(lines) if name.replace("`", "") == table}
        named = {column for column, id_ in _COLUMN.findall(lines) if id_ in ids}
        there = self.query(
            "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} "
            "ORDER BY position",
            {"d": self._database, "t": source},
        )
        return [c for (c,) in there if any(n == c or n.startswith(f"{c}.") for n in named)]

    def trial(self) -> None:
        """Try the view's selects with rows that are there, keeping nothing.

        A select that fails on rows would stop the workers once live rows go to it.
        """
        structure = ", ".join(f"`{c}` {kind}" for c, kind in self._view.columns.items())
        for source, select in self._view.from_.items():
            rows = f"SELECT * FROM {self._qualified(source)} LIMIT {TRIAL_ROWS}"
            self.command(
                f"INSERT INTO FUNCTION null({text(structure)}) "
                + versions.instead(select.strip(), source, rows),
                f"try the select from {source!r}",
            )

    def make(self, version: int) -> None:
        """A version's target, and what takes rows of the log: a table that keeps nothing."""
        target = versions.target(self._name, version)
        window = Window("non_replicated_deduplication_window", self._window())
        self.command(create_target(self._config, self._view, target, window)[0], "make a version")
        for source in self._view.from_:
            log = self._log(version, source)
            self.command(
                f"CREATE TABLE IF NOT EXISTS {self._qualified(log)} "
                f"AS {self._qualified(source)} ENGINE = Null",
                "make a version",
            )
            rows = f"SELECT * FROM {self._qualified(log)}"
            sql = versions.create_feed(
                self._database, f"{target}__history_{source}", target, self._view, source, rows
            )
            self.command(sql, "make a version")

    def open(self, version: int, cuts: Mapping[str, Mapping[int, int]]) -> None:
        """Let live rows in, by source table and partition from the cuts on."""
        target = versions.target(self._name, version)
        for source in self._view.from_:
            rows = f"SELECT * FROM {self._qualified(source)} WHERE {versions.behind(cuts[source])}"
            name = versions.feed(self._name, version, source)
            sql = versions.create_feed(self._database, name, target, self._view, source, rows)
            self.command(sql, "let live rows into a version")

    def insert(self, version: int, source: str, part: BlockRange, frame: pl.DataFrame) -> None:
        """Rows of one range of the log, at most once: each has a token of its own."""
        token = f"{self._pipeline}/{versions.target(self._name, version)}/{source}/{part}"
        try:
            self._client.raw_insert(
                self._qualified(self._log(version, source)),
                column_names=frame.columns,
                insert_block=arrow_stream(frame),
                fmt=FORMAT,
                settings=insert_settings(token, self._client.server_settings),
            )
        except FAILURES as error:
            what = f"{part}: clickhouse: view {self._name!r}, {frame.height} rows"
            raise classify(error, what) from error

    def blocks(self, version: int) -> int:
        """The number of the newest block in a target: one more with each part of an INSERT."""
        found = self.query(
            "SELECT max(max_block_number) FROM system.parts WHERE active "
            "AND database = {d:String} AND table = {t:String}",
            {"d": self._database, "t": versions.target(self._name, version)},
        )
        return int(found[0][0])

    def memory(self) -> int:
        """The window of a target that is being built."""
        return self._window()

    def compare(self, before: int, after: int, patience_s: float) -> Comparison:
        """See ``compared.compare``."""
        sides = [self._shape(version) for version in (before, after)]
        return compare(self.query, sides[0][0], sides[1][0], (sides[0][1], sides[1][1]), patience_s)

    def _shape(self, version: int) -> tuple[tuple[str, dict[str, str]], list[str]]:
        """A target's name and columns, and its keys."""
        table = versions.target(self._name, version)
        found = self.query(
            "SELECT name, type, is_in_sorting_key FROM system.columns "
            "WHERE database = {d:String} AND table = {t:String}",
            {"d": self._database, "t": table},
        )
        kinds = {name: kind for name, kind, _ in found}
        return (self._qualified(table), kinds), [name for name, _, key in found if key]

    def complete(self, version: int) -> None:
        """The log is in it: take away what took the log's rows."""
        prefix = f"{versions.target(self._name, version)}__"
        for kind in ("history_", "log_"):
            self._drop([o for o in self._objects() if o.startswith(prefix + kind)])

    def show(self, version: int) -> None:
        """Let readers see a version, from one query to the next."""
        doc = self._view.doc
        sql = versions.create_reader(self._database, self._name, version, doc, replace=True)
        self.command(sql, "switch")
        window = self._config.deduplication_window
        self.command(
            f"ALTER TABLE {self._qualified(versions.target(self._name, version))} "
            f"MODIFY SETTING non_replicated_deduplication_window = {window}",
            "switch",
        )

    def drop(self, version: int) -> None:
        """A version with all that feeds it.

        An INSERT that began while there was a feed fails if the target goes before it ends (seen on
        chDB 26.9), and would stop its worker. So those that run are waited for in between.
        """
        target = versions.target(self._name, version)
        parts = [o for o in self._objects() if o.startswith(f"{target}__")]
        logs = [o for o in parts if o.startswith(f"{target}__log_")]
        self._drop([o for o in parts if o not in logs])
        running, pause = self._inserts(), threading.Event()
        while running:
            pause.wait(PAUSE_S)
            running &= self._inserts()
        self._drop([*logs, target])

    def _inserts(self) -> set[str]:
        """The INSERTs that run now."""
        found = self.query("SELECT query_id FROM system.processes WHERE query_kind = 'Insert'")
        return {id_ for (id_,) in found}

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.command(f"DROP TABLE IF EXISTS {self._qualified(name)}", f"drop {name}")

    def _log(self, version: int, source: str) -> str:
        return f"{versions.target(self._name, version)}__log_{source}"

    def _window(self) -> int:
        return max(self._config.deduplication_window, BUILD_WINDOW)

    def _objects(self) -> list[str]:
        found = self.query(
            "SELECT name FROM system.tables WHERE database = {d:String}", {"d": self._database}
        )
        return [name for (name,) in found]

    def _qualified(self, name: str) -> str:
        return f"{self._database}.{name}"

    def command(self, sql: str, what: str) -> None:
        """A statement in the pipeline's database."""
        try:
            self._client.command(sql)
        except FAILURES as error:
            raise classify(error, f"clickhouse: view {self._name!r}: {what}") from error

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Rows of an answer."""
        try:
            answer = self._client.query(sql, parameters=dict(parameters or {}))
        except FAILURES as error:
            raise classify(error, f"clickhouse: view {self._name!r}") from error
        return list(answer.result_rows)
