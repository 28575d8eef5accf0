"""The three services, as far as the pipeline's state is to be learnt from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Transient
from headrace.lag import Lag, LagReader
from headrace.security.address import clickhouse_options
from headrace.serve.workers import WorkersReader
from headrace.topology.model import Topology
from headrace.worker_state import WorkerState

TIMEOUT_S = 3.0
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Something that is asked again and again, on a connection that mends itself."""

    def read(self) -> T_co:
        """What it says now, within seconds. Raises HeadraceError."""

    def close(self) -> None:
        """Disconnect."""


class ClickHousePing:
    """Whether ClickHouse takes queries."""

    def __init__(self, url: str) -> None:
        try:
            self._client = clickhouse_connect.get_client(
                **clickhouse_options(url),
                connect_timeout=TIMEOUT_S,
                send_receive_timeout=TIMEOUT_S,
                query_retries=0,
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def read(self) -> None:
        """Raises Transient when it does not."""
        try:
            self._client.command("SELECT 1")
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


Lags = Mapping[TopicPartition, Lag]


def lags(topology: Topology, where: Endpoints) -> Callable[[], Source[Lags]]:
    """The group's lag, by Kafka."""
    partitions = topology.topic_partitions(topology.topics)
    return lambda: LagReader(
        where.kafka, topology.name, partitions, timeout_s=TIMEOUT_S, patience_s=0.0
    )


def workers(topology: Topology, where: Endpoints) -> Callable[[], Source[list[WorkerState]]]:
    """The workers' states, by Redis."""
    return lambda: WorkersReader(where.redis, topology.redis.prefix)


def clickhouse(where: Endpoints) -> Callable[[], Source[None]]:
    """Whether ClickHouse answers."""
    return lambda: ClickHousePing(where.clickhouse)
