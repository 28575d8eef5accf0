"""The ClickHouse sinks: a table takes one INSERT a block, deduplicated for exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import clickhouse_connect
import polars as pl

from headrace.block import TopicPartition
from headrace.errors import HeadraceError, Terminal
from headrace.frame import OFFSET
from headrace.security.address import clickhouse_options
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse import erased
from sinks.clickhouse.culprits import Refused, explain
from sinks.clickhouse.errors import FAILURES, classify, code_of
from sinks.clickhouse.insert import FORMAT, arrow_stream, insert_settings, token

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 60


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
                    **clickhouse_options(self._url),
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
    Under ``guarantee: at_least_once`` there is no token, and a repeated block is there again.
    The watermark (the highest ``_offset`` by partition) can't see the views, so it only serves to
    find a table that lost its tail, and where commits are gone.
    """

    store = "clickhouse"

    def __init__(
        self,
        topology: Topology,
        table: str,
        connection: Connection,
        private: frozenset[str] = frozenset(),
    ) -> None:
        """``private`` are columns whose values no error may quote."""
        self.name = f"clickhouse.{table}"
        self._pipeline = topology.name
        self._topic = topology.clickhouse.tables[table].topic
        self._table = table
        self._database = topology.clickhouse.database
        self._qualified = f"{self._database}.`{table}`"
        self._exactly_once = topology.delivery.guarantee == "exactly_once"
        self._connection = connection
        self._private = private
        self._erased = topology.topics[self._topic].person is not None

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
            await self._insert(block, frame.columns, data)
        except FAILURES as error:
            raise await self._refusal(error, what, block, frame) from error
        return int(frame[OFFSET].max())  # type: ignore[arg-type]

    async def _insert(self, block: BlockRange, columns: Sequence[str], data: bytes) -> None:
        client = await self._connection.client()
        named = token(self._pipeline, self._table, block) if self._exactly_once else None
        await client.raw_insert(
            self._qualified,
            column_names=columns,
            insert_block=data,
            fmt=FORMAT,
            settings=insert_settings(named, client.server_settings),
        )

    async def _refusal(
        self, error: Exception, what: str, block: BlockRange, frame: pl.DataFrame
    ) -> HeadraceError:
        """The error to raise; one that can't pass says which records it is about."""
        found = classify(error, what)
        if not isinstance(found, Terminal):
            return found
        refused = Refused(self._database, self._table, block, frame, code_of(error), self._private)
        return classify(error, f"{what}: {await explain(self._connection.client, refused)}")

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """See ``Sink``. Scans two columns; docs/decisions/0005 says why no index helps.

        What a forgotten person's rows had reached counts as held: they are not to come back.
        """
        if not tps:
            return {}
        held_rows = f"SELECT _partition, _offset FROM {self._qualified}"
        if self._erased:
            held_rows += f" UNION ALL {erased.positions(self._database, self._table)}"
        select = f"SELECT _partition, max(_offset) FROM ({held_rows}) GROUP BY _partition"
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
