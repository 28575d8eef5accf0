"""The sinks of a pipeline: a visible list."""

from __future__ import annotations

from headrace.endpoints import Endpoints
from headrace.sink import Sink
from headrace.topology.model import Topology
from sinks.clickhouse.writer import Connection, TableSink
from sinks.redis.writer import RedisSink


def make_sinks(topology: Topology, endpoints: Endpoints) -> list[Sink]:
    """One for each table of ClickHouse and one for Redis, not yet connected."""
    clickhouse = Connection(endpoints.clickhouse)
    tables = [TableSink(topology, table, clickhouse) for table in topology.clickhouse.tables]
    return [*tables, RedisSink(topology, endpoints.redis)]
