"""What ``/v1/pipeline`` answers. Rates are over the last seconds, times in ms since the epoch."""

from __future__ import annotations

from pydantic import BaseModel


class Partition(BaseModel):
    """Positions of one partition; ``committed`` is null before the group's first commit."""

    partition: int
    end: int
    committed: int | None
    lag: int


class Topic(BaseModel):
    """Offsets that came in and were committed as applied, by second."""

    in_per_s: float
    out_per_s: float
    lag: int
    partitions: list[Partition]


class LastError(BaseModel):
    """A record that was set aside. ``reason`` is its class: it quotes nothing of the record."""

    at: int
    topic: str
    partition: int
    offset: int
    step: str
    reason: str


class Agent(BaseModel):
    """An agent, and what was last set aside by it or before it, newest first."""

    events_per_s: float
    lag: int
    reads: list[str]
    writes: list[str]
    last_errors: list[LastError]


class Freshness(BaseModel):
    """From an event's timestamp to visible in the sink, over the last minute; null without any."""

    p50: int | None
    p95: int | None
    p99: int | None


class Sink(BaseModel):
    """``seconds_per_s`` is how much of the time blocks are being applied, all workers together."""

    freshness_ms: Freshness
    seconds_per_s: float
    retries: int
    rows_per_s: float | None


class Table(BaseModel):
    """A table of ClickHouse."""

    rows_per_s: float


class Letters(BaseModel):
    """Records set aside since the workers that run were started."""

    topic: str
    step: str
    reason: str
    count: int


class RuleCount(BaseModel):
    """Records that failed a rule since the workers that run were started."""

    topic: str
    rule: str
    count: int


class Worker(BaseModel):
    """A worker process, as it told of itself last."""

    id: str
    rss_bytes: int
    cpu_seconds: float
    uptime_s: float
    assigned: int
    paused: int
    told_ms_ago: int


class Service(BaseModel):
    """Whether a service answers, and how old what is told of it is; null before a first answer."""

    up: bool
    age_ms: int | None
    why: str | None


class Problem(BaseModel):
    """Something that is wrong: what is seen, why that is, and what to do about it."""

    what: str
    why: str
    to_do: str


class Health(BaseModel):
    """``ok`` when there is no problem."""

    ok: bool
    problems: list[Problem]


class Pipeline(BaseModel):
    """The whole pipeline at one moment. What a service that is away would tell is its last."""

    at: int
    services: dict[str, Service]
    workers: list[Worker]
    topics: dict[str, Topic]
    agents: dict[str, Agent]
    sinks: dict[str, Sink]
    tables: dict[str, Table]
    dead_letters: list[Letters]
    dead_letter_ratio: float
    rules: list[RuleCount]
    health: Health
