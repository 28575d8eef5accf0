"""The sinks of a pipeline: a visible list."""

from __future__ import annotations

from headrace.endpoints import Endpoints
from headrace.sink import Sink
from headrace.topology.model import Topology
from sinks.clickhouse.writer import ClickHouseSink
from sinks.redis.writer import RedisSink


def make_sinks(topology: Topology, endpoints: Endpoints) -> list[Sink]:
    """ClickHouse and Redis, not yet connected."""
    return [
        ClickHouseSink(topology, endpoints.clickhouse),
        RedisSink(topology, endpoints.redis),
    ]
