"""The only place that composes: topology and services in, a Faust app out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faust

from headrace import agent as agents
from headrace.clock import Clock, SystemClock
from headrace.delivery.delivery import Delivery, Parts
from headrace.delivery.job import Decode, Job
from headrace.delivery.log import Offsets
from headrace.endpoints import Endpoints, load, state_dir
from headrace.metrics import Metrics
from headrace.schema import Codec, Registry
from headrace.sink import Sink
from headrace.topology import load as load_topology
from headrace.topology.model import Topology
from headrace.transport.deadletters import DeadLetterProducer
from headrace.transport.driver import broker_url, register
from headrace.transport.schema import BlockSchema

THREADS = 3


class Runtime:
    """What a worker's parts share; the Faust app carries it as ``app.headrace``."""

    def __init__(
        self,
        topology: Topology,
        endpoints: Endpoints,
        decoders: Mapping[str, Decode],
        sinks: Sequence[Sink],
        clock: Clock,
    ) -> None:
        self.topology = topology
        self.clock = clock
        self.metrics = Metrics()
        #: The error that stopped the worker, if one did.
        self.failed: Exception | None = None
        self._decoders = decoders
        self._agents = agents.functions(topology)
        self._sinks = sinks
        self._dead_letters = DeadLetterProducer(endpoints.kafka, topology.dead_letters.suffix)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="block")
        self._started = False

    def deliver(
        self,
        offsets: Offsets,
        on_room: Callable[[], None],
        on_fatal: Callable[[Exception], None],
    ) -> Delivery:
        """Make the delivery that the transport drives."""
        return Delivery(
            Parts(
                topology=self.topology,
                decoders=self._decoders,
                agents=self._agents,
                sinks=self._sinks,
                dead_letters=self._dead_letters,
                executor=self._executor,
                clock=self.clock,
                metrics=self.metrics,
                lease_s=self.topology.delivery.session_timeout_ms / 2000,
                on_room=on_room,
                on_fatal=on_fatal,
            ),
            offsets,
        )

    async def start(self) -> None:
        """Connect the sinks, once."""
        if not self._started:
            self._started = True
            for sink in self._sinks:
                await sink.start()

    async def close(self) -> None:
        """Disconnect everything."""
        for sink in self._sinks:
            await sink.close()
        await self._dead_letters.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
