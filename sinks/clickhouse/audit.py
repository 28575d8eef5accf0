"""The audit's table: a copy of its topic, to be queried. The topic is what counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.audit.entry import Entry
from headrace.audit.table import Row
from headrace.security.address import clickhouse_options
from headrace.topology.model import AUDIT_TABLE, Topology
from sinks.clickhouse.ddl import Column, create_table
from sinks.clickhouse.errors import classify
from sinks.clickhouse.insert import insert_settings

BATCH = 10_000
COLUMNS = (
    Column("sequence", "UInt64", "Place in the chain, from 1."),
    Column("time", "DateTime64(3, 'UTC')", "When it was recorded."),
    Column("act", "LowCardinality(String)"),
    Column("actor", "String", "user@host, or the authenticated client."),
    Column("subject", "String"),
    Column("outcome", "LowCardinality(String)", "intended, done, failed or refused."),
    Column("details", "Map(String, String)"),
    Column("intent", "UInt64", "The entry that announced this act; 0: none did."),
    Column("previous", "String", "Hash of the entry before."),
    Column("hash", "String"),
    Column("signature", "String", "HMAC of the hash; empty without a key."),
)
COMMENT = "Administrative acts, copied from the audit topic; read with FINAL"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AuditTable:
    """Writes and reads the table. Every method raises Transient or Terminal.

    An entry inserted twice is one row: rows are replaced by number and hash. So copying needs no
    coordination, and a row that was removed can come back, which a token would forbid.
    """

    def __init__(self, topology: Topology, url: str) -> None:
        self._config = topology.clickhouse
        self._name = f"{topology.clickhouse.database}.`{AUDIT_TABLE}`"
        try:
            self._client: Any = clickhouse_connect.get_client(**clickhouse_options(url))
        except ClickHouseError as error:
            raise classify(error, "clickhouse: connect") from error

    def create(self) -> None:
        """Make database and table, if they are missing."""
        self._command(f"CREATE DATABASE IF NOT EXISTS {self._config.database}")
        self._command(
            create_table(
                self._config, AUDIT_TABLE, "ReplacingMergeTree", COLUMNS, ("sequence", "hash"),
                None, None, None, COMMENT,
            )
        )  # fmt: skip

    def rows(self) -> list[Row]:
        """All rows by number, with an entry's field names; none when there is no table."""
        exists = self._query(
            "SELECT 1 FROM system.tables WHERE database = {d:String} AND name = {t:String}",
            {"d": self._config.database, "t": AUDIT_TABLE},
        )
        if not exists:
            return []
        names = ["time_ms" if c.name == "time" else c.name for c in COLUMNS]
        found = self._query(
            "SELECT sequence, toUnixTimestamp64Milli(time), act, actor, subject, outcome, details, "
            f"intent, previous, hash, signature FROM {self._name} FINAL ORDER BY sequence, hash"
        )
        return [dict(zip(names, row, strict=True)) for row in found]

    def last(self) -> int:
        """The highest number; 0 when the table is empty."""
        return int(self._query(f"SELECT max(sequence) FROM {self._name}")[0][0])

    def insert(self, entries: Sequence[Entry]) -> None:
        """Add entries; those that are there already change nothing."""
        settings = insert_settings(None, self._client.server_settings)
        for at in range(0, len(entries), BATCH):
            try:
                self._client.insert(
                    AUDIT_TABLE,
                    [_values(entry) for entry in entries[at : at + BATCH]],
                    [column.name for column in COLUMNS],
                    database=self._config.database,
                    settings=settings,
                )
            except ClickHouseError as error:
                raise classify(error, f"clickhouse: table {AUDIT_TABLE!r}") from error

    def replace(self, entries: Sequence[Entry]) -> None:
        """Empty the table and fill it again. When that breaks off, do it again."""
        self._command(f"TRUNCATE TABLE {self._name}")
        self.insert(entries)

    def _command(self, sql: str) -> None:
        try:
            self._client.command(sql)
        except ClickHouseError as error:
            raise classify(error, f"clickhouse: table {AUDIT_TABLE!r}") from error

    def _query(self, sql: str, parameters: dict[str, str] | None = None) -> Sequence[Any]:
        try:
            return list(self._client.query(sql, parameters=parameters).result_rows)
        except ClickHouseError as error:
            raise classify(error, f"clickhouse: table {AUDIT_TABLE!r}") from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _values(entry: Entry) -> list[Any]:
    row = entry.as_row()
    row["time"] = EPOCH + timedelta(milliseconds=entry.time_ms)
    return [row[column.name] for column in COLUMNS]
