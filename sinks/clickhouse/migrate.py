"""Brings ClickHouse to what the topology declares; says what that takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import ConfigError
from headrace.security.address import clickhouse_options
from headrace.topology.model import Topology
from sinks.clickhouse import versions
from sinks.clickhouse.ddl import Column, Window, define_added, statements
from sinks.clickhouse.errors import classify


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do; without ``sql`` it is for ``headrace replay``, or a conflict: an operator
    has to decide. ``column`` is the one that it is about, if it is about one.
    """

    object: str
    what: str
    sql: str | None
    column: str | None = None
    replay: bool = False

    @property
    def conflict(self) -> bool:
        """Whether nothing can be done before somebody decides."""
        return self.sql is None and not self.replay


class _Object(NamedTuple):
    """A table or view that is there: its engine with settings, its comment, what it selects."""

    engine: str
    comment: str
    select: str


class Migration:
    """Compares the declared objects with the server's."""

    def __init__(self, topology: Topology, root: Path, url: str) -> None:
        self._topology, self._root = topology, root
        self._database = topology.clickhouse.database
        self._views = topology.clickhouse.views
        try:
            self._client: Any = clickhouse_connect.get_client(**clickhouse_options(url))
        except ClickHouseError as error:
            raise classify(error, "clickhouse: connect") from error

    def changes(self) -> list[Change]:
        """What is missing, in order, what conflicts, and which views have to be replayed."""
        held = self._held()
        objects = self._objects()
        shown = self._shown(objects)
        changed, changes = self._changed(objects, shown)
        for statement in statements(self._topology, self._root, shown):
            name = statement.object
            if name == "database":
                if held is None:
                    changes.append(Change(self._database, "create database", statement.sql))
            elif name in changed:
                continue
            elif name not in objects:
                changes.append(Change(name, "create", statement.sql))
            else:
                changes += self._columns(name, statement.columns, held or {})
                changes += self._window(name, statement.window, objects)
        return changes

    def _shown(self, objects: dict[str, _Object]) -> dict[str, int]:
        """The version that readers see, by view."""
        found = {}
        for name in self._views:
            made = objects.get(name)
            version = versions.shown(name, made.select) if made else None
            if version is not None:
                found[name] = version
        return found

    def _changed(
        self, objects: dict[str, _Object], shown: dict[str, int]
    ) -> tuple[set[str], list[Change]]:
        """Objects of views that are there otherwise than declared, and what to do about them."""
        names: set[str] = set()
        changes = []
        for name, view in self._views.items():
            version = shown.get(name, versions.FIRST)
            mine = {
                name, versions.target(name, version),
                *(versions.feed(name, version, source) for source in view.from_),
            }  # fmt: skip
            if name in objects and name not in shown:
                names |= mine
                changes.append(Change(name, self._unversioned(name, objects), None))
                continue
            prefix = versions.feed(name, version, "")
            there = {
                versions.defined(made.comment)
                for other, made in objects.items()
                if other.startswith(prefix)
            }
            if there - {versions.definition(view)}:
                names |= mine
                what = (
                    f"is defined otherwise than version {version}, which readers see: "
                    f"'headrace replay {name}' builds it anew beside that one and switches"
                )
                changes.append(Change(name, what, None, replay=True))
        return names, changes

    def _unversioned(self, name: str, objects: dict[str, _Object]) -> str:
        """What to do about a view from before views had versions."""
        feeds = [other for other in objects if other.startswith(f"{name}__from_")]
        drops = "".join(f"DROP VIEW {self._database}.`{feed}`; " for feed in sorted(feeds))
        to = versions.target(name, versions.FIRST)
        return (
            f"is a table itself, as views were before they had versions: stop the workers, run "
            f'"{drops}RENAME TABLE {self._database}.`{name}` TO {self._database}.`{to}`" and '
            f"'headrace apply', and start them again"
        )

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

    def _window(
        self, name: str, window: Window | None, objects: dict[str, _Object]
    ) -> list[Change]:
        """Without its window a table takes repeated blocks twice, whatever the token.

        One that is not needed (any more) is left: at-least-once inserts pass it by.
        """
        if window is None:
            return []
        found = re.search(rf"\b{window.setting} = (\d+)", objects[name].engine)
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

    def _objects(self) -> dict[str, _Object]:
        """What there is in the database."""
        select = (
            "SELECT name, engine_full, comment, as_select FROM system.tables "
            "WHERE database = {d:String}"
        )
        return {name: _Object(*rest) for name, *rest in self._ask(select)}

    def _ask(self, select: str) -> Sequence[Any]:
        """Rows of a system table; ``{d:String}`` is the database."""
        try:
            answer = self._client.query(select, parameters={"d": self._database})
        except ClickHouseError as error:
            raise classify(error, "clickhouse: system tables") from error
        return list(answer.result_rows)

    def apply(self) -> list[Change]:
        """Make all changes but replays; raises ConfigError, having made none, on a conflict."""
        changes = self.changes()
        conflicts = [c for c in changes if c.conflict]
        if conflicts:
            raise ConfigError("\n".join(f"clickhouse: {c.object}: {c.what}" for c in conflicts))
        for change in changes:
            if change.sql is None:
                continue
            try:
                # A view's SELECT names its tables without their database.
                settings = {} if change.what == "create database" else {"database": self._database}
                self._command(change.sql, settings)
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
