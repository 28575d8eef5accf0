"""What ClickHouse knows of a process's instances: their transitions, and where each is by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import clickhouse_connect
import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import ConfigError, Transient
from headrace.security.address import clickhouse_options
from headrace.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Instance:
    """``since_ms`` is the event time of its last transition, the ``sequence``-th."""

    instance: str
    state: str
    sequence: int
    stuck: bool
    final: bool
    since_ms: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an instance's history."""

    sequence: int
    at_ms: int
    from_state: str
    on: str
    to_state: str
    cause: str
    commands: list[str]
    stuck: bool


class Instances:
    """Asks the raw table of a process's transitions. Raises Transient when ClickHouse is away."""

    def __init__(self, topology: Topology, url: str, process: str) -> None:
        """Raises ConfigError when there is no such process, or no table of its transitions."""
        self._process = process
        declared = topology.processes.get(process)
        if declared is None:
            known = ", ".join(topology.processes) or "none"
            raise ConfigError(f"process {process!r} is not in topology.yaml; there are: {known}")
        topic = declared.transitions_topic
        tables = [n for n, table in topology.clickhouse.tables.items() if table.topic == topic]
        if not tables:
            raise ConfigError(
                f"topology.yaml: clickhouse.tables: none is of topic {topic!r}, where the history "
                f"of process {process!r} is; declare one, and an agent that fills it"
            )
        self._table, self._key = tables[0], topology.topics[topic].key
        self._time = declared.names.time
        try:
            self._client: Any = clickhouse_connect.get_client(
                **clickhouse_options(url), database=topology.clickhouse.database
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def open_(self, *, stuck: bool, before_ms: int | None, limit: int) -> list[Instance]:
        """Instances that have not ended, or only those that are stuck; the longest idle first.

        ``before_ms``: with no transition since then.
        """
        conditions = ["NOT is_final", *(["is_stuck"] if stuck else [])]
        if before_ms is not None:
            conditions.append("since_ms < {before:Int64}")
        return self._instances(
            f"HAVING {' AND '.join(conditions)} ORDER BY since_ms, `{self._key}` LIMIT {limit:d}",
            {"before": before_ms or 0},
        )

    def one(self, instance: str) -> Instance | None:
        """Where an instance is; None: there is none."""
        found = self._instances(
            f"HAVING `{self._key}` = {{instance:String}}", {"instance": instance}
        )
        return found[0] if found else None

    def history(self, instance: str) -> list[Transition]:
        """All its transitions, in order."""
        rows = self._ask(
            f"SELECT sequence, {self._ms} AS at_ms, from_state, `on`, to_state, cause, commands, "
            f"stuck FROM `{self._table}` WHERE process = {{process:String}} AND "
            f"`{self._key}` = {{instance:String}} ORDER BY sequence, _offset",
            {"instance": instance},
        )
        return [Transition(**row) for row in rows]

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    @property
    def _ms(self) -> str:
        return f"toUnixTimestamp64Milli(`{self._time}`)"

    def _instances(self, tail: str, parameters: Mapping[str, Any]) -> list[Instance]:
        # Names of their own: an alias that is a column's name would stand for it everywhere.
        last = "(sequence, _offset)"
        rows = self._ask(
            f"SELECT `{self._key}` AS key, argMax(to_state, {last}) AS at_state, "
            f"max(sequence) AS last, argMax(stuck, {last}) AS is_stuck, "
            f"argMax(final, {last}) AS is_final, argMax({self._ms}, {last}) AS since_ms "
            f"FROM `{self._table}` WHERE process = {{process:String}} "
            f"GROUP BY `{self._key}` {tail}",
            parameters,
        )
        return [Instance(*row.values()) for row in rows]

    def _ask(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._client.raw_query(
                sql,
                parameters={"process": self._process, **parameters},
                settings={"output_format_json_quote_64bit_integers": 0},
                fmt="JSONEachRow",
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error
        return [orjson.loads(line) for line in answer.splitlines()]
