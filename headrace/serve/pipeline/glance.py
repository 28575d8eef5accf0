"""The pipeline's state asked for once, without a serving process."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from headrace.endpoints import Endpoints
from headrace.errors import HeadraceError
from headrace.security.secret import redacted
from headrace.serve.pipeline import sources
from headrace.serve.pipeline.model import Pipeline
from headrace.serve.pipeline.observer import Observer
from headrace.serve.pipeline.poll import Seen, ask
from headrace.serve.pipeline.sources import Source
from headrace.topology.model import Topology

T = TypeVar("T")


def glance(topology: Topology, where: Endpoints) -> Pipeline:
    """Ask all services at the same time, within seconds. Its rates are 0: they take two looks."""
    with ThreadPoolExecutor(3) as pool:
        kafka = pool.submit(_once, sources.lags(topology, where))
        redis = pool.submit(_once, sources.workers(topology, where))
        clickhouse = pool.submit(_once, sources.clickhouse(where))
        seen = kafka.result(), redis.result(), clickhouse.result()
    now_ms, now_s = time.time_ns() // 1_000_000, time.monotonic()
    return Observer(topology).picture(*seen, now_ms, now_s)


def _once(connect: Callable[[], Source[T]]) -> Seen[T]:
    try:
        source = connect()
    except HeadraceError as error:
        return Seen(why=redacted(str(error)))
    try:
        return ask(source, Seen())
    finally:
        source.close()
