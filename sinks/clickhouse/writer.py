"""The ClickHouse sinks: a table takes one deduplicated INSERT a block."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Collection, Sequence
from typing import Any

import aiohttp
import clickhouse_connect
import polars as pl
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.block import TopicPartition
from headrace.errors import Terminal
from headrace.frame import OFFSET
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse.errors import classify

#: One INSERT must become one block, whatever its size: deduplication is by block. The limits only
#: have to be larger than any block can be.
ONE_BLOCK = 1 << 40
#: What a request may fail with, besides bugs.
FAILURES = (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError)
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 60


def token(pipeline: str, table: str, block: BlockRange) -> str:
    """The deduplication token: names the rows, so that repeating them is a no-op."""
    where = f"{block.topic}/{block.partition}/{block.first}-{block.last}"
    return f"{pipeline}/{table}/{where}"


def insert_settings(deduplication_token: str) -> dict[str, Any]:
    """Settings under which an INSERT is one block that table and views take at most once."""
    return {
        "insert_deduplicate": 1,
        "insert_deduplication_token": deduplication_token,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "min_insert_block_size_rows": ONE_BLOCK,
        "min_insert_block_size_bytes": ONE_BLOCK,
        "max_insert_block_size": ONE_BLOCK,
        "max_insert_threads": 1,
        "async_insert": 0,
        "input_format_parallel_parsing": 0,
        "max_partitions_per_insert_block": 0,
    }


def arrow_stream(frame: pl.DataFrame) -> bytes:
    """A frame as an Arrow IPC stream of one record batch."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


class Connection:
    """The client that all tables of a worker share, made when it is first needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Any:
        """A clickhouse-connect AsyncClient; raises what connecting raises."""
        async with self._connecting:  # the first blocks come at the same time
            if self._client is None:
                self._client = await clickhouse_connect.get_async_client(
                    dsn=self._url,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    send_receive_timeout=ANSWER_TIMEOUT_S,
                    query_retries=0,
                    autogenerate_session_id=False,
                )
        return self._client

    async def close(self) -> None:
        """Disconnect; closing again is harmless."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class TableSink:
    """Implements ``headrace.sink.Sink`` for one table and the views it feeds.

    A repeated block is dropped by its token, in the table and in every view's target by itself.
    The watermark (the highest ``_offset`` by partition) can't see the views, so it only serves to
    find a table that lost its tail, and where commits are gone.
    """

    store = "clickhouse"

    def __init__(self, topology: Topology, table: str, connection: Connection) -> None:
        self.name = f"clickhouse.{table}"
        self._pipeline = topology.name
        self._topic = topology.clickhouse.tables[table].topic
        self._table = table
        self._qualified = f"{topology.clickhouse.database}.`{table}`"
        self._connection = connection

    def takes(self, topic: str) -> bool:
        """See ``Sink``: a table has one topic."""
        return topic == self._topic

    async def start(self) -> None:
        """See ``Sink``."""

    async def close(self) -> None:
        """See ``Sink``."""
        await self._connection.close()

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        """See ``Sink``."""
        frame = rows_of(writes.rows, self._table)
        if frame is None:
            return None
        what = f"{block}: clickhouse: table {self._table!r}, {frame.height} rows"
        if OFFSET not in frame.columns:
            raise Terminal(f"{what}: the agent's rows lack {OFFSET!r} (have: {frame.columns})")
        data = await asyncio.to_thread(arrow_stream, frame)
        try:
            client = await self._connection.client()
            await client.raw_insert(
                self._qualified,
                column_names=frame.columns,
                insert_block=data,
                fmt="ArrowStream",
                settings=insert_settings(token(self._pipeline, self._table, block)),
            )
        except FAILURES as error:
            raise classify(error, what) from error
        return int(frame[OFFSET].max())  # type: ignore[arg-type]

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """See ``Sink``. Scans two columns; docs/decisions/0005 says why no index helps."""
        if not tps:
            return {}
        select = f"SELECT _partition, max(_offset) FROM {self._qualified} GROUP BY _partition"
        try:
            answer = await (await self._connection.client()).query(select)
        except FAILURES as error:
            raise classify(error, f"clickhouse: table {self._table!r}: watermarks") from error
        held = dict(answer.result_rows)
        return {tp: Mark(held.get(tp.partition, -1)) for tp in tps}


def rows_of(rows: Sequence[Rows], table: str) -> pl.DataFrame | None:
    """All rows of one table; None when there are none.

    Raises Terminal when two agents' rows of the table do not have the same columns.
    """
    parts = [entry.frame for entry in rows if entry.table == table and entry.frame.height]
    if not parts:
        return None
    columns = parts[0].columns
    try:
        return pl.concat([part if part is parts[0] else part.select(columns) for part in parts])
    except pl.exceptions.PolarsError as error:
        shapes = " and ".join(sorted({str(dict(part.schema)) for part in parts}))
        raise Terminal(
            f"clickhouse: table {table!r}: agents gave rows of different columns: {shapes}"
        ) from error
