"""What ClickHouse knows of one event: where it is, in which part, in which rows of views."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import clickhouse_connect
import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.dlq.place import Place
from headrace.errors import Transient
from headrace.security.address import clickhouse_options
from headrace.topology.model import Topology

#: How long one question may scan.
SCAN_S = 15
#: Places of one id, and rows of one view, that are asked for.
MOST = 20
#: ``<partition>_<min block>_<max block>_<level>``: of level 0 and one block, nothing was merged.
_UNMERGED = re.compile(r"[^_]+_(\d+)_\1_0")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that one INSERT made, which is one block's rows: the offsets in it, and when."""

    name: str
    first: int
    last: int
    at_ms: int


class Tables:
    """Asks about single events. Not for several threads at a time. Raises Transient."""

    def __init__(self, url: str, topology: Topology) -> None:
        self._config = topology.clickhouse
        try:
            self._client: Any = clickhouse_connect.get_client(
                **clickhouse_options(url), database=self._config.database
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def places(self, table: str, field: str, event_id: str) -> list[Place]:
        """Where the records of rows with this id were, the first ones first.

        Scans one column of the table: no index has it (docs/decisions/0022).
        """
        sql = (
            f"SELECT _partition, _offset FROM `{table}` WHERE `{field}` = {{id:String}} "
            f"ORDER BY _partition, _offset LIMIT {MOST}"
        )
        found = self._ask(table, sql, {"id": event_id})
        return [Place(row["_partition"], row["_offset"]) for row in found]

    def part(self, table: str, place: Place) -> Part | None:
        """The part that the row is in, if it is still as its INSERT made it."""
        name = self._ask(table, f"SELECT _part FROM `{table}` WHERE {_at(place)} LIMIT 1")
        if not name or not _UNMERGED.fullmatch(name[0]["_part"]):
            return None
        part = {"part": name[0]["_part"]}
        span = self._ask(
            table,
            f"SELECT min(_offset) AS first, max(_offset) AS last FROM `{table}` "
            f"WHERE _part = {{part:String}}",
            part,
        )
        made = self._ask(
            table,
            "SELECT toUnixTimestamp(modification_time) AS at FROM system.parts "
            "WHERE active AND database = {db:String} AND table = {table:String} "
            "AND name = {part:String}",
            {**part, "db": self._config.database, "table": table},
        )
        if not made:  # merged just now
            return None
        return Part(part["part"], span[0]["first"], span[0]["last"], made[0]["at"] * 1000)

    def buckets(self, table: str, place: Place) -> list[tuple[str, dict[str, str]]]:
        """The views' rows that the table's row counts in, by their keys: as their SELECTs say."""
        found = []
        for name, view in self._config.views.items():
            select = view.from_.get(table)
            if select is None:
                continue
            key = ", ".join(f"toString(`{column}`) AS `{column}`" for column in view.order_by)
            only = f"{{'{self._config.database}.{table}': '{_at(place)}'}}"
            sql = (
                f"SELECT DISTINCT {key} FROM (\n{select.strip()}\n) LIMIT {MOST} "
                f"SETTINGS additional_table_filters = {only}"
            )
            found += [(name, dict(row)) for row in self._ask(table, sql)]
        return found

    def row(self, table: str, place: Place) -> dict[str, Any] | None:
        """The row itself; None when it is gone."""
        rows = self._ask(table, f"SELECT * FROM `{table}` WHERE {_at(place)} LIMIT 1")
        return rows[0] if rows else None

    def _ask(
        self, table: str, sql: str, parameters: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        try:
            answer = self._client.raw_query(
                sql,
                parameters=dict(parameters or {}),
                fmt="JSONEachRow",
                settings={"max_execution_time": SCAN_S},
            )
        except ClickHouseError as error:
            if "TIMEOUT_EXCEEDED" in str(error):
                raise Transient(
                    f"clickhouse: table {table!r} can't be searched within {SCAN_S} s"
                ) from error
            raise Transient(f"clickhouse: table {table!r}: {error}") from error
        return [orjson.loads(line) for line in answer.splitlines()]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _at(place: Place) -> str:
    return f"_partition = {place.partition} AND _offset = {place.offset}"
