"""The only place that composes: topology and services in, a Faust app out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faust

from headrace import agent as agents
from headrace.agent import EncodeEvent
from headrace.block import TopicPartition
from headrace.clock import Clock, SystemClock
from headrace.collector import calm
from headrace.delivery.delivery import Delivery, Parts
from headrace.delivery.job import Job
from headrace.delivery.keyed import Keyed
from headrace.delivery.log import Offsets
from headrace.delivery.timers import Timers
from headrace.endpoints import Endpoints, load, state_dir
from headrace.frame import Decode
from headrace.keyed.encode import encoders
from headrace.keyed.store import KeyedStore
from headrace.metrics import Metrics
from headrace.preflight import check_topics
from headrace.private.fields import private_columns
from headrace.private.guard import Guard
from headrace.rules.checked import decoder, id_decoder
from headrace.schemas import registry_of
from headrace.security import kafka as kafka_security
from headrace.sink import Sink
from headrace.topology import load as load_topology
from headrace.topology.model import Topology
from headrace.transport.credentials import for_faust
from headrace.transport.deadletters import DeadLetterProducer
from headrace.transport.driver import broker_url, register
from headrace.transport.emitter import KafkaEmitter
from headrace.transport.schema import BlockSchema, BlockTopic
from sinks.factory import keyed_store, make_sinks

THREADS = 3
METADATA_MS = 3_000
#: Heartbeats within a session. A worker learns of a rebalance from the answer to its next one, so
#: they decide how long the others wait for it; Kafka wants at least three.
HEARTBEATS = 10


class Runtime:
    """What a worker's parts share; the Faust app carries it as ``app.headrace``."""

    def __init__(
        self,
        topology: Topology,
        endpoints: Endpoints,
        decoders: Mapping[str, Decode],
        sinks: Sequence[Sink],
        clock: Clock,
        id_decoders: Mapping[str, Decode] | None = None,
        store: KeyedStore | None = None,
        encode: Mapping[str, EncodeEvent] | None = None,
    ) -> None:
        """``id_decoders`` decode only the ids of topics with ``dedupe``: quicker, the same.

        ``store`` reads what a sink keeps of states and emitted events, ``encode`` makes records of
        those: needed where agents keep state or emit.
        """
        self.topology = topology
        self.clock = clock
        self.metrics = Metrics()
        #: The error that stopped the worker, if one did.
        self.failed: Exception | None = None
        self._decoders = decoders
        self._id_decoders = {**decoders, **(id_decoders or {})}
        self._agents = agents.functions(topology, encode or {})
        self._sinks = sinks
        self._emitter = KafkaEmitter(endpoints.kafka)
        self._keyed = None if store is None else self._keyed_by(store, encode or {})
        self._dead_letters = DeadLetterProducer(
            endpoints.kafka, topology.dead_letters.suffix, clock
        )
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="block")
        self._started = False

    def _keyed_by(self, store: KeyedStore, encode: Mapping[str, EncodeEvent]) -> Keyed:
        topology, emitter = self.topology, self._emitter
        stateful = agents.stateful(topology, encode)
        timers = Timers(topology, store, emitter, encode, self.clock, self.metrics)
        return Keyed(store, emitter, stateful, timers)

    def deliver(
        self,
        offsets: Offsets,
        on_room: Callable[[], None],
        on_fatal: Callable[[Exception], None],
        on_behind: Callable[[TopicPartition], None],
    ) -> Delivery:
        """Make the delivery that the transport drives."""
        return Delivery(
            Parts(
                topology=self.topology,
                decoders=self._decoders,
                id_decoders=self._id_decoders,
                agents=self._agents,
                sinks=self._sinks,
                dead_letters=self._dead_letters,
                executor=self._executor,
                clock=self.clock,
                metrics=self.metrics,
                lease_s=self.topology.delivery.session_timeout_ms / 2000,
                on_room=on_room,
                on_fatal=on_fatal,
                on_behind=on_behind,
                keyed=self._keyed,
            ),
            offsets,
        )

    async def start(self) -> None:
        """Connect the sinks, once."""
        if not self._started:
            self._started = True
            calm()
            for sink in self._sinks:
                await sink.start()

    async def close(self) -> None:
        """Disconnect everything."""
        for sink in self._sinks:
            await sink.close()
        await self._dead_letters.close()
        await self._emitter.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


def create(root: Path | None = None, clock: Clock | None = None) -> faust.App:
    """Compose the Faust app of a project folder: its topology, its services, its agents.

    Raises ConfigError when the topology is wrong or a service has no address.
    """
    root = root or Path.cwd()
    topology = load_topology(root)
    endpoints = load(root)
    check_topics(endpoints.kafka, topology)
    registry = registry_of(root, topology)
    guards = {name: Guard.of(topology, name, registry) for name in topology.topics}
    decoders = {
        name: decoder(registry, topic.schema_, topic.rules, guards[name])
        for name, topic in topology.topics.items()
    }
    id_decoders = {
        name: id_decoder(registry, topic.schema_, topic.dedupe.key, topic.rules, guards[name])
        for name, topic in topology.topics.items()
        if topic.dedupe
    }
    sinks = make_sinks(topology, endpoints, private_columns(topology, registry))
    clock = clock or SystemClock()
    store, encode = keyed_store(sinks), encoders(topology, registry)
    runtime = Runtime(topology, endpoints, decoders, sinks, clock, id_decoders, store, encode)
    return compose(runtime, endpoints, root)


def compose(runtime: Runtime, endpoints: Endpoints, root: Path) -> faust.App:
    """Make the Faust app around a runtime: one Faust agent for each of the topology's."""
    register()
    topology = runtime.topology
    datadir = state_dir(root) / "faust"
    datadir.mkdir(parents=True, exist_ok=True)
    session_s = topology.delivery.session_timeout_ms / 1000
    app = faust.App(
        topology.name,
        broker=broker_url(endpoints.kafka),
        broker_credentials=for_faust(kafka_security.from_environment()),
        store="memory://",
        Topic=BlockTopic,
        datadir=str(datadir),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / HEARTBEATS,
        broker_request_timeout=max(30.0, session_s * 2),
        # A broker that has just started may not know its topics yet. A leader that asks then
        # assigns nobody anything, until it asks again: not after aiokafka's five minutes.
        consumer_metadata_max_age_ms=METADATA_MS,
        stream_wait_empty=False,
        table_standby_replicas=0,  # no tables: lets Faust use Kafka's round-robin assignor
    )
    app.headrace = runtime
    for name, agent in topology.agents.items():
        channel = app.topic(*agent.reads, schema=BlockSchema(), acks=False)
        app.agent(channel, name=name)(_runner(name, agent.doc))
    return app


def _runner(name: str, doc: str) -> Callable[[Any], Any]:
    async def run(stream: Any) -> None:
        job: Job
        async for job in stream.noack():
            await job.run(name)

    run.__name__ = run.__qualname__ = name
    run.__module__ = "headrace"
    run.__doc__ = doc  # `faust agents` shows it
    return run


def __getattr__(name: str) -> faust.App:
    """``headrace.app.app`` for Faust's own command line: ``faust -A headrace.app agents``."""
    if name == "app":
        return create()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
