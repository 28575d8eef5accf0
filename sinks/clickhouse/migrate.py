"""Brings ClickHouse to what the topology declares; says what that takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import ConfigError
from headrace.security.address import clickhouse_options
from headrace.topology.model import Topology
from sinks.clickhouse.ddl import Column, Window, define_added, statements
from sinks.clickhouse.errors import classify


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do; ``sql`` is None when an operator has to decide (a conflict).

    ``column`` is the one that it is about, if it is about one.
    """

    object: str
    what: str
    sql: str | None
    column: str | None = None


class Migration:
    """Compares the declared objects with the server's."""

    def __init__(self, topology: Topology, root: Path, url: str) -> None:
        self._database = topology.clickhouse.database
        self._statements = statements(topology, root)
        try:
            self._client: Any = clickhouse_connect.get_client(**clickhouse_options(url))
        except ClickHouseError as error:
            raise classify(error, "clickhouse: connect") from error

    def changes(self) -> list[Change]:
        """What is missing, in order, and what conflicts."""
        held = self._held()
        engines = self._engines()
        changes = []
        for statement in self._statements:
            if statement.object == "database":
                if held is None:
                    changes.append(Change(self._database, "create database", statement.sql))
            elif held is None or statement.object not in held:
                changes.append(Change(statement.object, "create", statement.sql))
            else:
                changes += self._columns(statement.object, statement.columns, held)
                changes += self._window(statement.object, statement.window, engines)
        return changes

    def _columns(
        self, name: str, columns: Sequence[Column], held: dict[str, dict[str, str]]
    ) -> list[Change]:
        changes = []
        for column in columns:
            there = held[name].get(column.name)
            if there is None:
                changes.append(self._add(name, column))
            elif _plain(there) != _plain(column.type):
                what = (
                    f"column {column.name!r} is {there}, declared is {column.type}: ClickHouse "
                    f"can't always convert in place; replay into a new database, or ALTER by hand"
                )
                changes.append(Change(name, what, None, column.name))
        return changes

    def _add(self, name: str, column: Column) -> Change:
        if column.default is None:
            what = (
                f"column {column.name!r} is missing, and its Avro default has no literal: ALTER by "
                f"hand, with the DEFAULT that the rows which are there are to show"
            )
            return Change(name, what, None, column.name)
        sql = f"ALTER TABLE {self._database}.`{name}` ADD COLUMN {define_added(column)}"
        return Change(name, f"add column {column.name} {column.type}", sql, column.name)

    def _window(self, name: str, window: Window | None, engines: dict[str, str]) -> list[Change]:
        """Without its window a table takes repeated blocks twice, whatever the token.

        One that is not needed (any more) is left: at-least-once inserts pass it by.
        """
        if window is None:
            return []
        found = re.search(rf"\b{window.setting} = (\d+)", engines[name])
        if found and int(found[1]) == window.inserts:
            return []
        sql = (
            f"ALTER TABLE {self._database}.`{name}` "
            f"MODIFY SETTING {window.setting} = {window.inserts}"
        )
        had = found[1] if found else "none"
        return [Change(name, f"remember {window.inserts} inserts (now: {had})", sql)]

    def _held(self) -> dict[str, dict[str, str]] | None:
        """Columns by object of the database; None when there is no such database."""
        if not self._ask("SELECT 1 FROM system.databases WHERE name = {d:String}"):
            return None
        held: dict[str, dict[str, str]] = {}
        for table, name, kind in self._ask(
            "SELECT table, name, type FROM system.columns WHERE database = {d:String}"
        ):
            held.setdefault(table, {})[name] = kind
        return held

    def _engines(self) -> dict[str, str]:
        """Engines with their settings by object of the database."""
        return dict(
            self._ask("SELECT name, engine_full FROM system.tables WHERE database = {d:String}")
        )

    def _ask(self, select: str) -> Sequence[Any]:
        """Rows of a system table; ``{d:String}`` is the database."""
        try:
            answer = self._client.query(select, parameters={"d": self._database})
        except ClickHouseError as error:
            raise classify(error, "clickhouse: system tables") from error
        return list(answer.result_rows)

    def apply(self) -> list[Change]:
        """Make all changes; raises ConfigError, having made none, when there is a conflict."""
        changes = self.changes()
        conflicts = [c for c in changes if c.sql is None]
        if conflicts:
            raise ConfigError("\n".join(f"clickhouse: {c.object}: {c.what}" for c in conflicts))
        for change in changes:
            try:
                # A view's SELECT names its tables without their database.
                settings = {} if change.what == "create database" else {"database": self._database}
                self._command(str(change.sql), settings)
            except ClickHouseError as error:
                raise classify(error, f"clickhouse: {change.object}: {change.what}") from error
        return changes

    def _command(self, sql: str, settings: dict[str, str]) -> None:
        self._client.database = settings.get("database", "default")
        self._client.command(sql)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _plain(kind: str) -> str:
    """A type without differences in white space, as system.columns may print it."""
    return "".join(kind.split())
