"""What exactly once costs: the shop's pipeline over one backlog, under both guarantees in turn.

The load generator fills the topics once. Every run is a worker process of its own that takes all
of it through all agents into ClickHouse and Redis, with a consumer group, a database and a key
prefix of its own, which are removed after it. Runs alternate (exactly, at least, at least,
exactly, …), and what is compared are the two of a pair, so that whatever else changes on the
machine meets both. One run before them warms the services up and does not count.

At least once leaves out the intents, the marks, the question after them at the start, the tokens of
INSERTs, and what the Redis script refuses; keys have their fences under both, and what a topic's
``dedupe`` drops is dropped under both. CPU is told for the worker's process, and for it and the
services together, because work that a guarantee makes for a service is a cost too.

No run counts whose results are wrong: see ``Proof``.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import psutil
import yaml
from rich.console import Console
from rich.table import Table

import loadgen
from bench.compare import spread
from bench.process import ROOT, contestant, result_of
from headrace import stack, topology
from headrace.block import TopicPartition
from headrace.cli.apply import apply_all
from headrace.cli.demo.usage import Usage
from headrace.endpoints import Endpoints
from headrace.lag import LagReader
from headrace.security.redis import connect
from headrace.topics import Topics, wanted
from headrace.topology import Topology
from sinks.redis.writer import RedisSink

GUARANTEES = ("exactly_once", "at_least_once")
MEASURED = ("per_second", "per_cpu_second", "per_cpu_second_of_all")
#: 2026-03-01T11:59:50Z: with a fixed start every bench sends the same bytes.
START_MS = 1_772_366_390_000
#: Keys removed by one request.
KEYS = 5_000
#: What psutil counts as used of a CPU.
BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
#: Past this share of the machine for others, throughput says little.
DISTURBED = 0.1

#: What the generator sent, by topic: ``sent``, of them ``duplicates``.
Sent = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of a raw table, and how many offsets of the log they come from."""

    rows: int
    offsets: int


@dataclass(frozen=True, slots=True)
class Run:
    """One worker's way through the backlog. CPU is the worker's process, all its threads."""

    guarantee: str
    events: int  # records of the log delivered
    wall_seconds: float  # from the assignment of the partitions to the last apply
    cpu_seconds: float  # meanwhile
    services_cpu_seconds: dict[str, float]  # from before the worker's start to after its end
    peak_rss_bytes: int
    others_cpu_share: float  # of the machine, while the worker's process was there
    blocks: dict[str, int]  # by topic
    commits: int  # requests to the broker; partitions share them
    commit_seconds: float  # until it accepted, added up; partitions that don't commit go on
    sink_seconds: dict[str, float]  # by store, added up over blocks that are applied side by side
    sink_retries: dict[str, int]
    rows: dict[str, int]  # by raw table, as ClickHouse counts them

    @property
    def per_second(self) -> float:
        return self.events / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu_seconds

    @property
    def per_cpu_second_of_all(self) -> float:
        """With the services that run here; those that the environment names are not seen."""
        return self.events / (self.cpu_seconds + sum(self.services_cpu_seconds.values()))


Pair = Mapping[str, Run]  # by guarantee


def variant(
    folder: Path,
    guarantee: str,
    name: str,
    max_rows: int | None = None,
    partitions: int | None = None,
) -> Topology:
    """Make ``folder`` the project under a guarantee; group, database and prefix are ``name``.

    ``max_rows`` None leaves the size of blocks as the project has it, ``partitions`` None the
    number of those that topics have unless they say otherwise.
    """
    declared = yaml.safe_load((ROOT / topology.FILE).read_text(encoding="utf-8"))
    declared["name"] = name
    declared["delivery"]["guarantee"] = guarantee
    if max_rows is not None:
        declared["delivery"]["max_rows"] = max_rows
    if partitions is not None:
        declared["defaults"]["partitions"] = partitions
    declared["clickhouse"]["database"] = name
    declared["redis"]["prefix"] = name
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
    (folder / topology.FILE).write_text(text, encoding="utf-8")
    (folder / "schemas").symlink_to(ROOT / "schemas")
    return topology.load(folder)


def fill(where: Endpoints, declared: Topology, events: int) -> Sent:
    """Make the topics and send the backlog; the topics must be empty before."""
    topics = Topics(where.kafka)
    found = topics.partitions()
    topics.create([topic for topic in wanted(declared) if topic.name not in found])
    with LagReader(
        where.kafka, declared.name, declared.topic_partitions(declared.topics)
    ) as reader:
        if any(lag.end for lag in reader.read().values()):
            raise RuntimeError(
                "the shop's topics hold records already, so no count could be right; use empty "
                "topics or unset HEADRACE_KAFKA"
            )
    config = loadgen.LoadConfig(events=events, start_ms=START_MS)
    return loadgen.run(config, where, declared, None).events


class Proof:
    """What a run left in the services, against what was sent.

    Every partition is committed to its end and in Redis up to its end; every raw table holds a row
    of each event. Exactly once: no second one. Duplicates of topics that declare ``dedupe`` are no
    events.
    """

    def __init__(self, where: Endpoints, declared: Topology, sent: Sent) -> None:
        self._where = where
        self._declared = declared
        self._sent = sent

    def rows(self, events: int) -> dict[str, int]:
        """Rows by raw table; raises RuntimeError saying all that is wrong.

        ``events`` is how many records of the log the worker says it delivered.
        """
        held = self._tables()
        problems = [
            *surplus("records delivered", self._guarantee, self._total(), events),
            *self._positions(),
            *differences(self._guarantee, self._wanted(), held),
        ]
        if problems:
            raise RuntimeError(f"{self._guarantee}: wrong results:\n" + "\n".join(problems))
        return {table: entry.rows for table, entry in held.items()}

    @property
    def _guarantee(self) -> str:
        return self._declared.delivery.guarantee

    def _total(self) -> int:
        return sum(topic["sent"] for topic in self._sent.values())

    def _wanted(self) -> dict[str, int]:
        """Events by raw table."""
        events = {}
        for name, table in self._declared.clickhouse.tables.items():
            counts = self._sent[table.topic]
            drops = getattr(self._declared.topics[table.topic], "dedupe", None)
            events[name] = counts["sent"] - (counts["duplicates"] if drops else 0)
        return events

    def _tables(self) -> dict[str, Held]:
        database = self._declared.clickhouse.database
        with closing(clickhouse_connect.get_client(dsn=self._where.clickhouse)) as client:
            return {
                table: Held(
                    *client.query(
                        f"SELECT count(), uniqExact(_partition, _offset) FROM {database}.`{table}`"
                    ).result_rows[0]
                )
                for table in self._declared.clickhouse.tables
            }

    def _positions(self) -> list[str]:
        with LagReader(
            self._where.kafka,
            self._declared.name,
            self._declared.topic_partitions(self._declared.topics),
        ) as reader:
            lags = reader.read()
        ends = {tp: lag.end for tp, lag in lags.items() if lag.end}
        problems = [
            f"{tp}: {lags[tp].behind} offsets not committed" for tp in ends if lags[tp].behind
        ]
        for tp, done in asyncio.run(self._fences(ends)).items():
            if done != ends[tp] - 1:
                problems.append(f"{tp}: redis holds up to {done}, the log ends at {ends[tp] - 1}")
        return problems

    async def _fences(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The last offset that Redis holds, by partition of the topics that go there."""
        sink = RedisSink(self._declared, self._where.redis)
        await sink.start()
        try:
            marks = await sink.watermarks([tp for tp in ends if sink.takes(tp.topic)])
        finally:
            await sink.close()
        return {tp: mark.held for tp, mark in marks.items()}


def surplus(what: str, guarantee: str, wanted: int, got: int) -> list[str]:
    """Say what is wrong with a count that may be larger only when delivery is at least once."""
    right = got == wanted if guarantee == "exactly_once" else got >= wanted
    return [] if right else [f"{what}: {got:,}, sent were {wanted:,}"]


def differences(guarantee: str, wanted: Mapping[str, int], held: Mapping[str, Held]) -> list[str]:
    """Say which tables lack events or hold some twice; ``wanted`` is events by table."""
    problems = []
    for table, events in wanted.items():
        there = held[table]
        problems += surplus(f"rows of {table}", guarantee, events, there.rows)
        if there.offsets != events:
            problems.append(f"offsets in {table}: {there.offsets:,}, sent were {events:,}")
    return problems


async def _forget(where: Endpoints, prefix: str) -> None:
    """Remove all keys of a prefix."""
    client = connect(where.redis)
    try:
        keys = [key async for key in client.scan_iter(match=f"{prefix}:*", count=KEYS)]
        for at in range(0, len(keys), KEYS):
            pipeline = client.pipeline(transaction=False)
            for key in keys[at : at + KEYS]:
                pipeline.unlink(key)
            await pipeline.execute()
    finally:
        await client.aclose()


def clear(where: Endpoints, declared: Topology) -> None:
    """Remove what a run wrote, so that the next one finds the services as this one did."""
    with closing(clickhouse_connect.get_client(dsn=where.clickhouse)) as client:
        client.command(f"DROP DATABASE IF EXISTS {declared.clickhouse.database} SYNC")
    asyncio.run(_forget(where, declared.redis.prefix))


def one(
    where: Endpoints, sent: Sent, guarantee: str, max_rows: int | None = None, timeout: float = 900
) -> Run:
    """A worker's run through the backlog, for at most ``timeout`` s, proved."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        name = f"bench_{uuid.uuid4().hex[:8]}"
        declared = variant(Path(folder), guarantee, name, max_rows)
        apply_all(Path(folder), declared, where)
        try:
            usage = Share()
            command = contestant("headrace_sinks", folder)
            figures = result_of(f"Headrace, {guarantee}", command, timeout)
            usage.stop()
            rows = Proof(where, declared, sent).rows(figures["events"])
        finally:
            clear(where, declared)
    return Run(
        guarantee=guarantee,
        rows=rows,
        services_cpu_seconds=usage.services,
        others_cpu_share=usage.others,
        **figures.pop("answer"),
        **figures,
    )


class Share:
    """Who uses the machine's CPUs from now on: the services, and who has no part in the bench."""

    def __init__(self) -> None:
        self._services = Usage()
        for service in stack.status(ROOT):
            if service.pid is not None:
                self._services.watch(service.name, service.pid)
        self._begin = time.perf_counter(), _busy(), _own()
        self.services: dict[str, float] = {}  # CPU seconds
        self.others = 0.0  # of all CPUs' time

    def stop(self) -> None:
        """Until now; a child must have been waited for to be counted as the bench's."""
        seconds, busy, own = time.perf_counter(), _busy(), _own()
        self._services.sample()
        self.services = dict(self._services.cpu_seconds())
        before, busy_before, own_before = self._begin
        others = busy - busy_before - (own - own_before) - sum(self.services.values())
        all_cpus = (seconds - before) * (os.cpu_count() or 1)
        self.others = round(max(0.0, others) / all_cpus, 3)


def _busy() -> float:
    """CPU seconds that all processes have used since boot, with those stolen from this machine."""
    times = psutil.cpu_times()
    return sum(getattr(times, kind, 0.0) for kind in BUSY)


def _own() -> float:
    """CPU seconds of this process and of its children that ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def measure(
    where: Endpoints,
    sent: Sent,
    count: int,
    console: Console,
    max_rows: int | None = None,
    timeout: float = 900,
) -> list[Pair]:
    """Run ``count`` pairs over what was sent, each run for at most ``timeout`` s."""

    def run(guarantee: str, note: str = "") -> Run:
        done = one(where, sent, guarantee, max_rows, timeout)
        console.print(
            f"  {guarantee}: {done.per_second:,.0f} events/s, {done.per_cpu_second:,.0f} events "
            f"per CPU-second, {sum(done.blocks.values())} blocks{note}"
        )
        return done

    run("at_least_once", "; to warm up, not counted")
    return [
        {guarantee: run(guarantee) for guarantee in GUARANTEES[:: 1 if turn % 2 == 0 else -1]}
        for turn in range(count)
    ]


def _ratios(pairs: Sequence[Pair], measured: str) -> dict[str, float]:
    exactly, at_least = GUARANTEES
    return spread(
        [getattr(p[exactly], measured) / getattr(p[at_least], measured) for p in pairs], 4
    )


def _figures(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        **{m: spread([getattr(run, m) for run in runs], 0) for m in MEASURED},
        "blocks": spread([sum(run.blocks.values()) for run in runs], 0),
        "commits": spread([run.commits for run in runs], 0),
        "commit_ms": spread([1000 * run.commit_seconds / run.commits for run in runs], 2),
        "peak_rss_bytes": max(run.peak_rss_bytes for run in runs),
    }


def summarise(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Figures for JSON: by guarantee, and the ratios exactly once to at least once by pair.

    ``cost_percent`` is what exactly once takes of the throughput by the median ratio; negative
    when it was faster.
    """
    ratios = {measured: _ratios(pairs, measured) for measured in MEASURED}
    return {
        "events": pairs[0]["exactly_once"].events,
        "pairs": len(pairs),
        "guarantees": {
            guarantee: _figures([pair[guarantee] for pair in pairs]) for guarantee in GUARANTEES
        },
        "ratio": ratios,
        "cost_percent": {
            measured: round((1 - ratio["median"]) * 100, 2) for measured, ratio in ratios.items()
        },
        "others_cpu_share": spread([r.others_cpu_share for p in pairs for r in p.values()], 3),
        "runs": [[asdict(run) for run in pair.values()] for pair in pairs],
    }


def show(cost: Mapping[str, Any], console: Console) -> None:
    """Print the table (median, least and most), and the cost in a sentence."""
    table = Table(
        title=f"The shop's pipeline into ClickHouse and Redis: {cost['events']:,} events, "
        f"{cost['pairs']} pairs of runs"
    )
    heads = ("events/s", "per CPU-s, worker", "per CPU-s, services too", "blocks", "commits")
    for head in ("", *heads):
        table.add_column(head, justify="right" if head else "left")
    for guarantee, row in cost["guarantees"].items():
        shown = (*MEASURED, "blocks", "commits")
        table.add_row(guarantee, *(_cell(row[name], "{:,.0f}") for name in shown))
    table.add_section()
    table.add_row("ratio, by pair", *(_cell(cost["ratio"][m], "{:.3f}") for m in MEASURED))
    console.print(table)
    percent = cost["cost_percent"]
    console.print(
        f"Exactly once costs {percent['per_second']:.1f} % of the throughput, "
        f"{percent['per_cpu_second']:.1f} % of the events per CPU-second of the worker and "
        f"{percent['per_cpu_second_of_all']:.1f} % with the services (medians of the pairs)."
    )
    others = cost["others_cpu_share"]["max"]
    if others > DISTURBED:
        console.print(
            f"Other processes had up to {others:.0%} of the CPUs during a run: the throughput "
            "says little. Measure again on a machine that has nothing else to do."
        )


def _cell(spread: Mapping[str, float], form: str) -> str:
    low, middle, high = (form.format(spread[part]) for part in ("min", "median", "max"))
    return f"{middle}\n{low} – {high}"
