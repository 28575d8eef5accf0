"""The serving process's connections to ClickHouse: one bounded pool, however many callers."""

from __future__ import annotations

import asyncio
from typing import Any

import clickhouse_connect
import orjson
from aiohttp import ClientError
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import ConfigError, Transient
from headrace.security.address import clickhouse_options
from headrace.serve.context import Context
from headrace.serve.queries.query import Query

CONNECTIONS = 4
CONNECT_TIMEOUT_S = 5
#: What one question may cost the server.
MAX_EXECUTION_S = 10


class Views:
    """Answers queries. Connects when it is first asked."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def rows(self, query: Query) -> list[list[Any]]:
        """The rows of a query; raises Transient when the server is away or refuses."""
        try:
            client = await self._connected()
            answer = await client.raw_query(
                query.sql,
                parameters={
                    name: list(value) if isinstance(value, tuple) else value
                    for name, value in query.parameters
                },
                settings={"max_execution_time": MAX_EXECUTION_S},
                fmt="JSONCompact",
            )
        except (ConfigError, ClickHouseError, ClientError, OSError) as error:
            raise Transient(f"clickhouse: {error}") from error
        rows: list[list[Any]] = orjson.loads(answer)["data"]
        return rows

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._client = await clickhouse_connect.get_async_client(
                    **clickhouse_options(self._context.endpoints.clickhouse),
                    connector_limit=CONNECTIONS,
                    connector_limit_per_host=CONNECTIONS,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    send_receive_timeout=2 * MAX_EXECUTION_S,
                    query_retries=1,
                    autogenerate_session_id=False,
                )
        return self._client

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
