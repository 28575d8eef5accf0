"""The sinks of a pipeline: a visible list; and what else of private data is in their stores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.endpoints import Endpoints
from headrace.keyed.store import KeyedStore
from headrace.private.erasure import Eraser
from headrace.private.ring import KeyStore
from headrace.sink import Sink
from headrace.topology.model import Topology
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.writer import Connection, TableSink
from sinks.redis.erase import RedisEraser
from sinks.redis.keystore import RedisKeyStore
from sinks.redis.telling import Telling
from sinks.redis.writer import RedisSink

#: Address of the key ring's Redis, where it is not the pipeline's.
KEYS_VARIABLE = "HEADRACE_KEYS"


def make_sinks(
    topology: Topology,
    endpoints: Endpoints,
    private: Mapping[str, frozenset[str]] | None = None,
) -> list[Sink]:
    """One for each table of ClickHouse and one for Redis, not yet connected.

    ``private``: by topic, fields whose values errors must not quote.
    """
    clickhouse = Connection(endpoints.clickhouse)
    hidden = private or {}
    tables = [
        TableSink(topology, name, clickhouse, hidden.get(table.topic, frozenset()))
        for name, table in topology.clickhouse.tables.items()
    ]
    return [*tables, RedisSink(topology, endpoints.redis)]


def keyed_store(sinks: Sequence[Sink]) -> KeyedStore:
    """What reads states, emitted events and due times where one of the sinks writes them."""
    return next(sink.states for sink in sinks if isinstance(sink, RedisSink))


def make_telling(topology: Topology, endpoints: Endpoints) -> Telling:
    """Where a worker tells its state."""
    return Telling(endpoints.redis, topology.redis.prefix)


def make_key_store(topology: Topology, endpoints: Endpoints) -> KeyStore:
    """Where the key ring is: ``HEADRACE_KEYS``, else the pipeline's Redis; not yet connected."""
    url = os.environ.get(KEYS_VARIABLE) or endpoints.redis
    return RedisKeyStore(url, topology.redis.prefix)


def make_erasers(topology: Topology, endpoints: Endpoints, root: Path) -> list[Eraser]:
    """In the order of erasure: ClickHouse's rows tell which of Redis' keys are a person's."""
    return [
        RedisEraser(topology, endpoints.redis),
        ClickHouseEraser(topology, root, endpoints.clickhouse),
    ]
