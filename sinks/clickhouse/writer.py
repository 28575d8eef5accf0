"""The ClickHouse sink: one deduplicated INSERT per table and block."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiohttp
import clickhouse_connect
import polars as pl
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.block import TopicPartition
from headrace.errors import Terminal
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse.errors import classify

#: One INSERT must become one block, whatever its size: deduplication is by block. The limits only
#: have to be larger than any block can be.
ONE_BLOCK = 1 << 40
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


class ClickHouseSink:
    """Implements ``headrace.sink.Sink`` by deduplication tokens.

    It can't tell how far it is (``watermarks`` is empty): a repeated block is dropped by its
    token, in the table and in every view's target by itself, which a watermark could not do.
    """

    name = "clickhouse"

    def __init__(self, topology: Topology, url: str) -> None:
        self._pipeline = topology.name
        self._database = topology.clickhouse.database
        self._url = url
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """See ``Sink``."""

    async def close(self) -> None:
        """See ``Sink``."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def apply(self, block: BlockRange, writes: Writes) -> None:
        """See ``Sink``. Tables of a block are written at the same time."""
        by_table = tables(writes.rows)
        results = await asyncio.gather(
            *(self._insert(block, table, frame) for table, frame in by_table.items()),
            return_exceptions=True,
        )
        for result in results:  # the worst news last: Terminal stops, Transient repeats all
            if isinstance(result, Terminal):
                raise result
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _insert(self, block: BlockRange, table: str, frame: pl.DataFrame) -> None:
        what = f"{block}: clickhouse: table {table!r}, {frame.height} rows"
        data = await asyncio.to_thread(arrow_stream, frame)
        try:
            client = await self._connected()
            await client.raw_insert(
                f"{self._database}.{table}",
                column_names=frame.columns,
                insert_block=data,
                fmt="ArrowStream",
                settings=insert_settings(token(self._pipeline, table, block)),
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise classify(error, what) from error

    async def _connected(self) -> Any:
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

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Sink``: it can't tell."""
        return {}


def tables(rows: Sequence[Rows]) -> Mapping[str, pl.DataFrame]:
    """Rows by table, those without any left out.

    Raises Terminal when two agents' rows of one table do not have the same columns.
    """
    frames: dict[str, list[pl.DataFrame]] = {}
    for entry in rows:
        if entry.frame.height:
            frames.setdefault(entry.table, []).append(entry.frame)
    return {table: _joined(table, parts) for table, parts in frames.items()}


def _joined(table: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    columns = parts[0].columns
    try:
        return pl.concat([part if part is parts[0] else part.select(columns) for part in parts])
    except pl.exceptions.PolarsError as error:
        shapes = " and ".join(sorted({str(dict(part.schema)) for part in parts}))
        raise Terminal(
            f"clickhouse: table {table!r}: agents gave rows of different columns: {shapes}"
        ) from error
