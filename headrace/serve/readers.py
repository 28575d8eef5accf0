"""Access to what the sinks hold: rows of ClickHouse, keys of Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import clickhouse_connect
import polars as pl
import redis
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import Transient
from headrace.security.address import clickhouse_options
from headrace.topology.model import Keyspace

BATCH = 2_000


class ClickHouseReader:
    """Runs queries and returns frames."""

    def __init__(self, url: str, database: str) -> None:
        try:
            self._client = clickhouse_connect.get_client(
                **clickhouse_options(url), database=database
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def frame(self, sql: str) -> pl.DataFrame:
        """The result of a query."""
        try:
            table = self._client.query_arrow(sql, use_strings=True)
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class RedisReader:
    """Reads all keys of a prefix."""

    def __init__(self, url: str, prefix: str, keyspaces: Mapping[str, Keyspace]) -> None:
        self._client: Any = redis.Redis.from_url(url)
        self._prefix = prefix
        # The longest name first: ``user:recent`` is a keyspace, and so is ``user``.
        self._keyspaces = sorted(keyspaces.items(), key=lambda item: -len(item[0]))

    def locate(self, key: str) -> tuple[int, str, str] | None:
        """Partition, keyspace and id of a key; None for keys that are not data (fences)."""
        head, brace, rest = key.partition("}:")
        partition = head.removeprefix(f"{self._prefix}:{{")
        if not brace or not partition.isdecimal():
            return None
        for name, _ in self._keyspaces:
            if rest.startswith(f"{name}:"):
                return int(partition), name, rest[len(name) + 1 :]
        return None

    def entries(self) -> Iterator[tuple[int, str, str, list[tuple[str, str]]]]:
        """All data: partition, keyspace, id, and its (field or member, value) pairs.

        Without the state of agents, which only they can read.
        """
        types = dict(self._keyspaces)
        batch: list[tuple[str, tuple[int, str, str]]] = []
        for raw in self._client.scan_iter(match=f"{self._prefix}:*", count=BATCH):
            key = raw.decode()
            place = self.locate(key)
            if place is None or types[place[1]].type == "state":
                continue
            batch.append((key, place))
            if len(batch) == BATCH:
                yield from self._read(batch, types)
                batch = []
        yield from self._read(batch, types)

    def _read(
        self, batch: Sequence[tuple[str, tuple[int, str, str]]], types: Mapping[str, Keyspace]
    ) -> Iterator[tuple[int, str, str, list[tuple[str, str]]]]:
        pipeline = self._client.pipeline(transaction=False)
        for key, (_, keyspace, _) in batch:
            if types[keyspace].type == "hash":
                pipeline.hgetall(key)
            else:
                pipeline.zrange(key, 0, -1, withscores=True)
        for (_, place), held in zip(batch, pipeline.execute(), strict=True):
            pairs = held.items() if isinstance(held, dict) else held
            yield (
                *place,
                [
                    (k.decode(), v.decode() if isinstance(v, bytes) else repr(float(v)))
                    for k, v in pairs
                ],
            )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
