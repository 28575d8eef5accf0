"""One per cent of every kind of bad event beside good ones: nothing lost, nothing twice, how fast.

Good events are the bench's payments; behind one in a hundred of them stands a bad one of each kind,
so that with ten kinds one record in eleven is bad. Every run is proved: all good events are in the
table, each once; all bad ones in the dead letters, each once, byte for byte. Throughput counts the
good events only, with the bad ones and without any.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import clickhouse_connect
import yaml
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from bench import events
from bench.compare import spread
from bench.contract import FRAMING, PARTITIONS
from bench.cost import clear
from bench.process import ROOT, contestant, result_of
from headrace import topology
from headrace.block import TopicPartition
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.lag import LagReader
from headrace.schema import Encoder, Registry
from headrace.topology import Topology
from headrace.writes import Rows, Writes
from loadgen.verify.recount import read_log

TOPIC = "bad.payments"
USERS = 1_000
#: A bad event of each kind comes behind one in so many good ones.
EVERY = 100
POISON = "poison"
Kind = Callable[[bytes], bytes]
Place = tuple[int, int]  # partition and offset


def every(frame: Frame) -> Writes:
    """The agent: all rows, unless one of them is poison to it."""
    if (frame.df["user_id"] == POISON).any():
        raise ValueError("poison")
    return Writes((Rows("payments", frame.df),))


def kinds() -> dict[str, Kind]:
    """How a bad event of each kind is made of a good one."""
    encoder = Encoder(Registry.load(ROOT), "payments")
    event = {
        "event_id": "0" * 26, "occurred_at": events.START_MS, "producer": "bench",
        "schema_version": 1, "user_id": "u1", "region": "apac", "type": "captured",
        "payment_id": "p", "order_id": "o", "method": "card", "amount": "1.00", "currency": "EUR",
    }  # fmt: skip
    ruled_out, poison = (
        encoder.encode(event | changed) for changed in ({"amount": "-1.00"}, {"user_id": POISON})
    )
    return {
        "wrong magic": lambda v: b"\x01" + v[1:],
        "unknown schema id": lambda v: v[:1] + b"\x7f\xff\xff\xf0" + v[FRAMING:],
        "short": lambda v: v[:3],
        "empty": lambda v: b"",
        "truncated": lambda v: v[:-4],
        "trailing bytes": lambda v: v + b"\x2a\x2a",
        # The first field's length becomes negative; elsewhere a flip may give another good event.
        "bit flip": lambda v: v[:FRAMING] + bytes((v[FRAMING] ^ 1,)) + v[FRAMING + 1 :],
        "2 GB length": lambda v: v[:FRAMING] + b"\xfe\xff\xff\xff\x0f" + v[FRAMING + 1 :],
        "fails a rule": lambda v: ruled_out,
        "poison to an agent": lambda v: poison,
    }


@dataclass(frozen=True)
class Sent:
    """What the log holds: good events by partition as (count, sum of offsets), and bad ones."""

    good: Mapping[int, tuple[int, int]]
    bad: Mapping[Place, tuple[str, bytes]]  # kind, value

    @property
    def events(self) -> int:
        """Good events."""
        return sum(n for n, _ in self.good.values())


def project(folder: Path) -> Topology:
    """Make ``folder`` a project of one topic with a rule, one agent and one table."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    rule = {"field": "amount", "min": 0, "on_failure": "dead_letter"}
    declared = {
        "version": 1,
        "name": name,
        "defaults": {"partitions": PARTITIONS},
        "topics": {
            f"{TOPIC}.{name}": {
                "schema": "payments", "key": "user_id", "rules": {"not_negative": rule},
            }
        },
        "dead_letters": {"max_ratio": 1.0},
        "agents": {
            "every": {
                "function": "bench.bad:every",
                "reads": [f"{TOPIC}.{name}"],
                "writes": {"tables": ["payments"]},
            }
        },
        "clickhouse": {
            "database": name,
            "tables": {
                "payments": {"topic": f"{TOPIC}.{name}", "order_by": ["type", "occurred_at"]}
            },
        },
        "redis": {"prefix": name},
    }  # fmt: skip
    (folder / topology.FILE).write_text(yaml.safe_dump(declared, sort_keys=False))
    (folder / "schemas").symlink_to(ROOT / "schemas")
    return topology.load(folder)


def fill(bootstrap: str, topic: str, good: int, damage: Mapping[str, Kind]) -> Sent:
    """Send so many good events, and the bad ones among them."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,  # one after another: so offsets are known
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
        }
    )
    ends = [0] * PARTITIONS
    sums: dict[int, tuple[int, int]] = dict.fromkeys(range(PARTITIONS), (0, 0))
    bad: dict[Place, tuple[str, bytes]] = {}
    made, number = list(damage.items()), count()

    def send(value: bytes, partition: int) -> int:
        producer.produce(topic, value, b"k", partition)
        ends[partition] += 1
        return ends[partition] - 1

    for _, values in events.chunks(good, USERS):
        for value in values:
            i = next(number)
            at = i % PARTITIONS
            n, total = sums[at]
            sums[at] = n + 1, total + send(value, at)
            if i % EVERY < len(made):
                kind, make = made[i % EVERY]
                worse = make(value)
                bad[at, send(worse, at)] = kind, worse
        while len(producer) > events.CHUNK:
            producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError(f"the broker did not take all events of {topic}")
    return Sent(sums, bad)


def prove(where: Endpoints, declared: Topology, sent: Sent) -> None:
    """Raise RuntimeError when anything is missing, there twice, or where it does not belong."""
    select = (
        f"SELECT _partition, count(), uniqExact(_offset), sum(_offset) "
        f"FROM {declared.clickhouse.database}.payments GROUP BY _partition"
    )
    with closing(clickhouse_connect.get_client(dsn=where.clickhouse)) as client:
        held = {p: rest for p, *rest in client.query(select).result_rows}
    wanted = {p: [n, n, total] for p, (n, total) in sent.good.items() if n}
    if held != wanted:
        raise RuntimeError(f"rows (count, distinct, sum of offsets): {held}, not {wanted}")
    letters = Counter[tuple[Place, bytes]]()
    (topic,) = declared.topics
    places = [TopicPartition(topic + declared.dead_letters.suffix, p) for p in range(PARTITIONS)]
    with LagReader(where.kafka, declared.name, places) as reader:
        spans = [(tp, lag.begin, lag.end) for tp, lag in reader.read().items()]
    for message in read_log(where.kafka, spans):
        headers = dict(message.headers())
        place = int(headers["headrace.partition"]), int(headers["headrace.offset"])
        letters[place, message.value()] += 1
    lacking = {kind for place, (kind, value) in sent.bad.items() if letters[place, value] != 1}
    if lacking or letters.total() != len(sent.bad):
        raise RuntimeError(
            f"{letters.total():,} dead letters for {len(sent.bad):,} bad events; not there just "
            f"once: some of {sorted(lacking)}"
        )


def one(
    where: Endpoints, good: int, damage: Mapping[str, Kind], timeout: float = 900
) -> dict[str, Any]:
    """A worker's run through so many good events and the bad ones among them, proved."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        declared = project(Path(folder))
        apply_all(Path(folder), declared, where)
        (topic,) = declared.topics
        try:
            sent = fill(where.kafka, topic, good, damage)
            figures = result_of("Headrace", contestant("headrace_sinks", folder), timeout)
            prove(where, declared, sent)
        finally:
            clear(where, declared)
    return {
        "good": sent.events,
        "bad": len(sent.bad),
        "per_second": sent.events / figures["wall_seconds"],
        "per_cpu_second": sent.events / figures["cpu_seconds"],
        "peak_rss_bytes": figures["peak_rss_bytes"],
    }


def measure(where: Endpoints, good: int, repeat: int, console: Console) -> list[dict[str, Any]]:
    """Pairs of runs, without bad events and with all kinds of them."""
    pairs = []
    for _ in range(repeat):
        pair = {"none": one(where, good, {}), "every": one(where, good, kinds())}
        pairs.append(pair)
        console.print(
            "  bad: " + ", ".join(f"{n} {r['per_second']:,.0f} events/s" for n, r in pair.items())
        )
    return pairs


def summarise(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Least, median and most of each figure; ``ratio`` is with bad events to without, by pair."""
    measured = ("per_second", "per_cpu_second")
    return {
        "good": pairs[0]["every"]["good"],
        "bad": pairs[0]["every"]["bad"],
        **{
            name: {m: spread([pair[name][m] for pair in pairs], 0) for m in measured}
            for name in ("none", "every")
        },
        "ratio": {
            m: spread([pair["every"][m] / pair["none"][m] for pair in pairs], 3) for m in measured
        },
        "pairs": list(pairs),
    }


def show(bad: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(title=f"{bad['good']:,} good events, {bad['bad']:,} bad ones among them or none")
    for head in ("good events", "/s: min", "median", "max", "/CPU-s: min", "median", "max"):
        table.add_column(head, justify="right" if head != "good events" else "left")
    for name, title in (("none", "alone"), ("every", "with bad ones")):
        cells = [bad[name][m][p] for m in bad[name] for p in ("min", "median", "max")]
        table.add_row(title, *(f"{cell:,.0f}" for cell in cells))
    cells = [bad["ratio"][m][p] for m in bad["ratio"] for p in ("min", "median", "max")]
    table.add_row("ratio, by pair", *(f"{cell:.2f}" for cell in cells))
    console.print(table)
