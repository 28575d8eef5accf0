"""Deletes a person's rows from raw tables, and from views that have the person's column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.private.erasure import Found
from headrace.security.address import clickhouse_options
from headrace.topology.model import Topology
from sinks.clickhouse import erased, versions
from sinks.clickhouse.errors import FAILURES, classify

#: A mutation rewrites every part that has rows of the person.
PATIENCE_S = 600
#: Wait for the mutation on this server, or on all replicas where there are several.
WAIT = {"mutations_sync": 2}


class ClickHouseEraser:
    """Implements ``headrace.private.erasure.Eraser``.

    Rows are deleted by a mutation, which writes the parts anew without them: a lightweight DELETE
    would only mask them. Before that it is noted how far the table had come, see ``erased``.
    Aggregates over many persons stay as they are.
    """

    def __init__(self, topology: Topology, root: Path, url: str) -> None:
        config = topology.clickhouse
        persons = topology.of_persons()
        self._database = config.database
        #: table → field, and the fields that name keys of persons' entities
        self._tables = {
            name: persons[table.topic]
            for name, table in config.tables.items()
            if table.topic in persons
        }
        self._views = {
            name: field
            for name, view in config.views.items()
            for field in {self._tables[source] for source in view.from_ if source in self._tables}
            if "AggregateFunction" not in view.columns.get(field, "AggregateFunction")
        }
        wanted = {k.person for k in topology.redis.keyspaces.values() if k.person is not None}
        self._id_fields = {
            name: sorted(wanted & _fields(root, topology.topics[config.tables[name].topic].schema_))
            for name in self._tables
        }
        try:
            self._client: Any = clickhouse_connect.get_client(
                **clickhouse_options(url),
                send_receive_timeout=PATIENCE_S,
                autogenerate_session_id=False,
            )
        except ClickHouseError as error:
            raise classify(error, "clickhouse: connect") from error

    def ids(self, person: str) -> dict[str, set[str]]:
        """See ``Eraser``: the values of the fields that keyspaces name, in the person's rows."""
        ids: dict[str, set[str]] = {field: {person} for field in self._tables.values()}
        for table, person_field in self._tables.items():
            for field in self._id_fields[table]:
                rows = self._query(
                    f"SELECT DISTINCT `{field}` FROM {self._name(table)} "
                    f"WHERE `{person_field}` = {{person:String}}",
                    {"person": person},
                )
                ids.setdefault(field, set()).update(str(row[0]) for row in rows)
        return ids

    def erase(self, person: str, ids: Mapping[str, set[str]]) -> int:
        """See ``Eraser``. Returns when the rows are gone from the active parts."""
        deleted = 0
        for table, field in self._tables.items():
            deleted += self._delete(table, field, person, self._note(table, field, person))
        for target, field in self._targets().items():
            deleted += self._delete(target, field, person, None)
        return deleted

    def find(self, person: str, ids: Mapping[str, set[str]]) -> Sequence[Found]:
        """See ``Eraser``: every row of every table and view that has the person's column."""
        return [
            Found(
                f"clickhouse {name}",
                int(self._query(f"SELECT count() FROM {self._name(name)}", {})[0][0]),
                self._count(name, field, person),
                "rows",
            )
            for name, field in (self._tables | self._targets()).items()
        ]

    def _targets(self) -> dict[str, str]:
        """The tables of all versions of the views that have the person's column."""
        found = self._query(
            "SELECT name FROM system.tables WHERE database = {database:String}",
            {"database": self._database},
        )
        return {
            table: field
            for view, field in self._views.items()
            for (table,) in found
            if versions.number(view, table) is not None
        }

    def _note(self, table: str, field: str, person: str) -> dict[int, int]:
        """Keep how far the table is in the partitions that hold rows of the person."""
        found = self._query(
            f"SELECT _partition, max(_offset) FROM {self._name(table)} WHERE _partition IN "
            f"(SELECT _partition FROM {self._name(table)} WHERE `{field}` = {{person:String}}) "
            f"GROUP BY _partition",
            {"person": person},
        )
        reached: dict[int, int] = {int(row[0]): int(row[1]) for row in found}
        if reached:
            rows = [[table, partition, offset] for partition, offset in reached.items()]
            try:
                self._client.insert(
                    erased.TABLE, rows, database=self._database,
                    column_names=[name for name, _, _ in erased.COLUMNS],
                )  # fmt: skip
            except FAILURES as error:
                raise classify(error, "clickhouse: note what is erased") from error
        return reached

    def _delete(self, name: str, field: str, person: str, reached: Mapping[int, int] | None) -> int:
        """Delete rows, of a raw table only up to what was noted; returns how many there were."""
        count = self._count(name, field, person)
        if not count or reached == {}:
            return 0
        where = f"`{field}` = {{person:String}}"
        if reached is not None:
            noted = " OR ".join(f"_partition = {p} AND _offset <= {o}" for p, o in reached.items())
            where += f" AND ({noted})"
        try:
            self._client.command(
                f"ALTER TABLE {self._name(name)} DELETE WHERE {where}",
                parameters={"person": person}, settings=WAIT,
            )  # fmt: skip
        except FAILURES as error:
            raise classify(error, f"clickhouse: delete rows of {name!r}") from error
        return count

    def _count(self, name: str, field: str, person: str) -> int:
        select = f"SELECT count() FROM {self._name(name)} WHERE `{field}` = {{person:String}}"
        return int(self._query(select, {"person": person})[0][0])

    def _query(self, select: str, parameters: Mapping[str, str]) -> Sequence[Sequence[Any]]:
        try:
            answer = self._client.query(select, parameters=dict(parameters))
        except FAILURES as error:
            raise classify(error, "clickhouse: search a person's rows") from error
        rows: Sequence[Sequence[Any]] = answer.result_rows
        return rows

    def _name(self, table: str) -> str:
        return f"{self._database}.`{table}`"

    def close(self) -> None:
        """See ``Eraser``."""
        self._client.close()


def _fields(root: Path, schema: str) -> set[str]:
    text = (root / "schemas" / f"{schema}.avsc").read_text(encoding="utf-8")
    return {field["name"] for field in json.loads(text)["fields"]}
