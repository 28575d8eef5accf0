"""What replays have done, in the pipeline's own database: two tables that are only added to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headrace.replay.build import Build
from headrace.sink import BlockRange
from sinks.clickhouse.errors import FAILURES, classify

#: No declared table or view can have these names.
REPLAYS, REPLAYED = "_replays", "_replayed"
_TABLES = (
    f"`{REPLAYS}` (view String, version UInt32, at DateTime64(6, 'UTC') DEFAULT now64(6), "
    "build String) ENGINE = MergeTree ORDER BY (view, version, at) "
    "COMMENT 'Versions of views and how far each is: the last row counts.'",
    f"`{REPLAYED}` (view String, version UInt32, topic String, partition Int32, first Int64, "
    "last Int64, block Int64) ENGINE = MergeTree ORDER BY (view, version, topic, partition, first) "
    "COMMENT 'Ranges of the log that a version holds.'",
)


class Journal:
    """One view's versions. Methods raise Transient or Terminal."""

    def __init__(self, client: Any, database: str, view: str) -> None:
        self._client = client
        self._database = database
        self._view = view

    def create(self) -> None:
        """Make the tables, if they are missing."""
        for table in _TABLES:
            name, rest = table.split(" ", 1)
            self._command(f"CREATE TABLE IF NOT EXISTS {self._database}.{name} {rest}")

    def record(self, build: Build) -> None:
        """Say how far a version is."""
        self._command(
            f"INSERT INTO {self._database}.`{REPLAYS}` (view, version, build) "
            "SELECT {view:String}, {version:UInt32}, {build:String}",
            {"view": build.view, "version": build.version, "build": build.model_dump_json()},
        )

    def builds(self) -> list[Build]:
        """All versions by number, each as it was last recorded."""
        found = self._query(
            f"SELECT argMax(build, at) FROM {self._database}.`{REPLAYS}` "
            "WHERE view = {view:String} GROUP BY version ORDER BY version",
            {"view": self._view},
        )
        return [Build.model_validate_json(row[0]) for row in found]

    def finish(self, version: int, done: BlockRange, block: int) -> None:
        """A range is in the version; ``block`` is the number of the newest block in its target."""
        self._command(
            f"INSERT INTO {self._database}.`{REPLAYED}` SELECT {{view:String}}, {{version:UInt32}},"
            " {topic:String}, {partition:Int32}, {first:Int64}, {last:Int64}, {block:Int64}",
            {"view": self._view, "version": version, "block": block, **asdict(done)},
        )

    def finished(self, version: int) -> dict[BlockRange, int]:
        """The ranges that are in a version, and the block numbers told with them."""
        found = self._query(
            f"SELECT topic, partition, first, last, max(block) FROM {self._database}.`{REPLAYED}` "
            "WHERE view = {view:String} AND version = {version:UInt32} "
            "GROUP BY topic, partition, first, last",
            {"view": self._view, "version": version},
        )
        return {BlockRange(*row[:4]): int(row[4]) for row in found}

    def _command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        try:
            self._client.command(sql, parameters=parameters)
        except FAILURES as error:
            raise classify(error, "clickhouse: journal of replays") from error

    def _query(self, sql: str, parameters: dict[str, Any]) -> list[Any]:
        try:
            return list(self._client.query(sql, parameters=parameters).result_rows)
        except FAILURES as error:
            raise classify(error, "clickhouse: journal of replays") from error
