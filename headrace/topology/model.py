"""The topology as frozen, typed objects. ``loader`` reads them, everything else receives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from headrace.block import TopicPartition
from headrace.errors import ConfigError
from headrace.rules.rule import Rule
from headrace.topology.anomalies import Anomalies
from headrace.topology.archive import Archive
from headrace.topology.base import KeyspaceName, Model, Name, Reference, TopicName
from headrace.topology.declared import Declared
from headrace.topology.intake import Intake
from headrace.topology.joins import Join
from headrace.topology.keyed import AgentState, Timer
from headrace.topology.levels import ServiceLevels
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.processes import Process
from headrace.topology.ring import Ring
from headrace.topology.serving import Serve
from headrace.topology.sessions import Sessions, WindowName
from headrace.topology.sync import Sync

#: The audit's table in the pipeline's database (``sinks.clickhouse.audit``).
AUDIT_TABLE = "audit"
#: The schema of alerts on anomalies.
ALERTS_SCHEMA = "alerts"


class Defaults(Model):
    """What a topic gets unless it says otherwise."""

    partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    replication: Annotated[int, Field(ge=1, le=10)] = 1
    retention_hours: Annotated[int, Field(ge=1)] = 168


class Dedupe(Model):
    """Records whose ``key`` field stood in one of the ``window`` offsets before them are dropped.

    In offsets, not in time: so what is a repeat follows from the log alone, whatever the clocks of
    producers say, and the memory is known (docs/exactly-once.md has the figures).
    """

    key: Name
    window: Annotated[int, Field(ge=1, le=100_000_000)]


class Topic(Model):
    """One Kafka topic. ``schema_`` names ``schemas/<schema>.avsc``, ``key`` a field of it."""

    schema_: Name = Field(alias="schema")
    key: Name
    doc: str = ""
    owner: str = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] | None = None
    replication: Annotated[int, Field(ge=1, le=10)] | None = None
    retention_hours: Annotated[int, Field(ge=1)] | None = None
    compacted: bool = False
    dedupe: Dedupe | None = None
    rules: dict[Name, Rule] = Field(default_factory=dict)
    #: The field that says whose data a record is; required where the schema has ``"pii": true``.
    person: Name | None = None
    #: What becomes of a record whose private fields its producer did not encrypt.
    clear_text: Literal["dead_letter", "allow"] = "dead_letter"


class Transit(Model):
    """A key of a HashiCorp Vault's or OpenBao's transit engine, which wraps persons' keys.

    The server is ``VAULT_ADDR``; ``VAULT_TOKEN`` must be allowed to encrypt and decrypt with it.
    """

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
    mount: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")] = "transit"


class Private(Model):
    """Keys of private data. Without ``transit`` the master key is ``HEADRACE_MASTER_KEY``.

    A process uses a person's key for ``cache_s`` after it read it: so long after it was destroyed
    may a running process still decrypt.
    """

    transit: Transit | None = None
    cache_s: Annotated[int, Field(ge=1, le=86_400)] = 60


class DeadLetters(Model):
    """Where records go that can't be processed, and when to stop instead."""

    suffix: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$")] = ".dlq"
    max_ratio: Annotated[float, Field(gt=0, le=1)] = 0.05
    window_records: Annotated[int, Field(ge=1)] = 100_000
    min_records: Annotated[int, Field(ge=1)] = 1_000


class Delivery(Model):
    """How blocks are cut and written. Sizes bound memory per partition."""

    guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    max_rows: Annotated[int, Field(ge=1)] = 65_536
    #: How long a record waits for others at most, and at least. In between, its partition waits
    #: for one of the worker's turns to write: see ``delivery.pace``.
    max_delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 5_000
    min_delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 20
    turns: Annotated[int, Field(ge=1, le=256)] = 2
    max_bytes: Annotated[int, Field(ge=1024)] = 33_554_432
    in_flight_blocks: Annotated[int, Field(ge=1, le=16)] = 2
    memory_bytes: Annotated[int, Field(ge=1_048_576)] = 33_554_432
    session_timeout_ms: Annotated[int, Field(ge=1_000, le=300_000)] = 6_000


class AgentWrites(Model):
    """The only tables and keyspaces an agent may write, and topics it may emit events to."""

    tables: tuple[Name, ...] = ()
    keyspaces: tuple[KeyspaceName, ...] = ()
    topics: tuple[TopicName, ...] = ()


class Agent(Model):
    """A pure function ``Frame -> Writes`` run as a Faust agent on each topic it reads.

    With ``state`` it is ``(Frame, states) -> Writes``: see docs/keyed-state.md.
    """

    function: Reference
    doc: str = ""
    owner: str = ""
    reads: Annotated[tuple[TopicName, ...], Field(min_length=1)]
    writes: AgentWrites = AgentWrites()
    state: AgentState | None = None
    timer: Timer | None = None

    @property
    def keyspaces(self) -> tuple[KeyspaceName, ...]:
        """All keyspaces that it fills, that of its state too."""
        return (*self.writes.keyspaces, *([self.state.keyspace] if self.state else []))

    @property
    def targets(self) -> list[str]:
        """Names of all it writes: tables, keyspaces, topics."""
        return [*self.writes.tables, *self.keyspaces, *self.writes.topics]


class Table(Model):
    """A raw table: the columns of the topic's reader schema and ``_partition``, ``_offset``."""

    topic: TopicName
    order_by: Annotated[tuple[str, ...], Field(min_length=1)]
    partition_by: str | None = None
    ttl: str | None = None


class View(Model):
    """An explicit target table and the selects (by source table) that feed it."""

    doc: str = ""
    columns: Annotated[dict[Name, str], Field(min_length=1)]
    order_by: Annotated[tuple[Name, ...], Field(min_length=1)]
    partition_by: str | None = None
    ttl: str | None = None
    from_: Annotated[dict[Name, str], Field(alias="from", min_length=1)]


class ClickHouse(Model):
    """Tables and views in ClickHouse."""

    database: Name = "headrace"
    engine: Literal["plain", "replicated"] = "plain"
    deduplication_window: Annotated[int, Field(ge=100)] = 10_000
    tables: dict[Name, Table]
    views: dict[Name, View] = Field(default_factory=dict)


class Decay(Model):
    """Forward decay: a score counts half as much ``half_life_hours`` later, from ``landmark``."""

    half_life_hours: Annotated[int, Field(ge=1)]
    landmark: AwareDatetime


class Keyspace(Model):
    """A family of Redis keys ``<prefix>:{<partition>}:<keyspace>:<id>``."""

    #: ``state`` is an agent's own: bytes that only it can read.
    type: Literal["hash", "zset", "state"]
    located: bool
    ttl_hours: Annotated[int, Field(ge=1)] | None = None
    #: A field whose values are the ids: ``headrace forget`` deletes those in the person's rows.
    person: Name | None = None
    #: Windows of the hash's rings by the grain in their fields' names, which readers add up.
    rings: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]+$")], Ring] = Field(
        default_factory=dict
    )
    #: How the sorted set's scores fade, which readers apply.
    decay: Decay | None = None
    doc: str = ""


class Redis(Model):
    """Key families in Redis."""

    prefix: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")] = "hr"
    keyspaces: dict[KeyspaceName, Keyspace] = Field(default_factory=dict)


class Topology(Model):
    """The whole pipeline: the one source of truth."""

    version: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$", max_length=120)]
    #: An external registry instead of the ids in ``schemas/registry.json``.
    schema_registry: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    defaults: Defaults = Defaults()
    topics: Annotated[dict[TopicName, Topic], Field(min_length=1)]
    dead_letters: DeadLetters = DeadLetters()
    private: Private = Private()
    delivery: Delivery = Delivery()
    agents: Annotated[dict[Name, Agent], Field(min_length=1)]
    clickhouse: ClickHouse
    redis: Redis = Redis()
    #: What stands in ``clickhouse.views``, ``redis.keyspaces`` and ``agents``, too, once loaded.
    declared: dict[Name, Declared] = Field(default_factory=dict)
    #: What stands in ``agents`` and ``redis.keyspaces``, too, once loaded.
    sessions: dict[WindowName, Sessions] = Field(default_factory=dict)
    joins: dict[WindowName, Join] = Field(default_factory=dict)
    metrics: dict[Name, Metric] = Field(default_factory=dict)
    funnels: dict[Name, Funnel] = Field(default_factory=dict)
    cohorts: dict[Name, Cohorts] = Field(default_factory=dict)
    serve: Serve = Serve()
    intake: dict[Name, Intake] = Field(default_factory=dict)
    service_levels: ServiceLevels | None = None
    anomalies: Anomalies = Anomalies()
    archive: Archive | None = None
    processes: dict[Name, Process] = Field(default_factory=dict)
    sync: Sync = Sync()

    @property
    def alerts_topic(self) -> str:
        """The topic that alerts on anomalies go to."""
        return f"{self.name}.alerts"

    @property
    def audit_topic(self) -> str:
        """The topic that administrative acts are recorded in."""
        return f"{self.name}.audit"

    def topic(self, topic: str) -> Topic:
        """A topic by its name; raise ConfigError that names those there are."""
        found = self.topics.get(topic)
        if found is None:
            raise ConfigError(
                f"topic {topic!r} is not in topology.yaml; there are: {', '.join(self.topics)}"
            )
        return found

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self.topics[topic].partitions or self.defaults.partitions

    def topic_partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of these topics."""
        return [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in range(self.partitions(topic))
        ]

    def marks(self, topic: str) -> bool:
        """Whether rows of a topic carry ``_marks``."""
        return any(rule.on_failure == "mark" for rule in self.topics[topic].rules.values())

    def of_persons(self) -> dict[str, str]:
        """Topics whose records are somebody's, and the field that says whose."""
        return {name: topic.person for name, topic in self.topics.items() if topic.person}

    def emitted(self) -> list[str]:
        """Topics that agents or their timers send to, in declared order."""
        found = {topic for agent in self.agents.values() for topic in agent.writes.topics}
        found |= {topic for agent in self.agents.values() if agent.timer for topic in agent.reads}
        return [topic for topic in self.topics if topic in found]

    def agents_of(self, topic: str) -> tuple[str, ...]:
        """Names of the agents that read a topic, in declared order."""
        return tuple(name for name, agent in self.agents.items() if topic in agent.reads)
