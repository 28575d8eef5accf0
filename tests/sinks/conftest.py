"""What tests of a table behind a proxy share; ``declared`` is each file's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import clickhouse_connect
import pytest

from headrace.endpoints import Endpoints
from headrace.topology.model import Topology
from sinks.clickhouse.writer import Connection, TableSink
from tests.sinks.http_proxy import Proxy


@pytest.fixture
async def proxy(stack: Endpoints) -> AsyncIterator[Proxy]:
    async with Proxy(stack.clickhouse) as made:
        yield made


@pytest.fixture
async def sink(declared: Topology, proxy: Proxy) -> AsyncIterator[TableSink]:
    made = TableSink(declared, "events", Connection(proxy.url))
    yield made
    await made.close()


@pytest.fixture
def ask(declared: Topology, stack: Endpoints) -> Any:
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)
    return lambda sql: client.query(sql.replace("$", declared.clickhouse.database)).result_rows
