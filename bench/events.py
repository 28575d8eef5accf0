"""The bench's topic: seeded events of nine fields, and the answer every contestant must give."""

from __future__ import annotations

import io
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

PROJECT = Path(__file__).parent / "project"
SCHEMA_FILE = PROJECT / "schemas" / "payment.avsc"
HEADER = b"\x00\x00\x00\x00\x01"
PARTITIONS = 4
START_MS = 1_790_000_000_000
MINUTE_MS = 60_000
TYPES = ("view", "cart", "order", "refund")
REGIONS = ("eu_west", "us_east", "apac")

#: (minute in ms, type) → (events, sum of amount)
Answer = dict[tuple[int, str], tuple[int, int]]


def values(count: int, seed: int = 1) -> Iterator[tuple[bytes, dict[str, object]]]:
    """Framed Avro values and the events in them."""
    schema = fastavro.parse_schema(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    rng = random.Random(seed)
    for i in range(count):
        event = {
            "event_id": f"{i:032x}",
            "occurred_at": START_MS + i // 20 - rng.randrange(2_000),
            "user_id": f"u{rng.randrange(50_000):06d}",
            "type": rng.choice(TYPES),
            "product_id": f"p{rng.randrange(2_000):05d}",
            "quantity": rng.randrange(1, 9),
            "amount": rng.randrange(100, 100_000),
            "region": rng.choice(REGIONS),
            "session_id": f"s{rng.randrange(1 << 32):08x}" if rng.random() < 0.8 else None,
        }
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, event)
        yield HEADER + out.getvalue(), event


def fill(bootstrap: str, topic: str, count: int) -> tuple[Answer, float]:
    """Make the topic; returns the right answer and the mean size of a value in bytes."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for name in (topic, f"{topic}.dlq"):
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    size = 0
    for i, (value, event) in enumerate(values(count)):
        entry = counts[int(event["occurred_at"]) // MINUTE_MS * MINUTE_MS, str(event["type"])]
        entry[0] += 1
        entry[1] += int(event["amount"])
        size += len(value)
        producer.produce(topic, value, str(event["user_id"]).encode(), i % PARTITIONS)
        if i % 10_000 == 0:
            producer.poll(0)
        while len(producer) > 400_000:
            producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events")
    return {key: (n, total) for key, (n, total) in counts.items()}, size / count


def digest(answer: Answer) -> dict[str, list[int]]:
    """An answer as JSON-ready, comparable text keys."""
    return {f"{minute} {kind}": list(pair) for (minute, kind), pair in sorted(answer.items())}
