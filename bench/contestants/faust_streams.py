"""Idiomatic Faust: agents over streams of Avro events, with its tumbling tables.

Tables are kept in memory, which is the quicker of its two stores, and their changelog is on, as
Faust has no way without.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import uuid
from datetime import timedelta

import fastavro
import faust
from faust.serializers import codecs

from bench import contract
from bench.meter import Meter

SCHEMA = fastavro.parse_schema(json.loads(contract.SCHEMA_FILE.read_text(encoding="utf-8")))


class Avro(codecs.Codec):
    """Confluent-framed Avro, as a Faust user would plug it in."""

    def _loads(self, s: bytes) -> dict[str, object]:
        return fastavro.schemaless_reader(io.BytesIO(s[contract.FRAMING :]), SCHEMA)

    def _dumps(self, obj: object) -> bytes:
        raise NotImplementedError("the bench only reads")


def make_app(bootstrap: str) -> faust.App:
    codecs.register("payment_avro", Avro())
    return faust.App(
        f"bench-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="bench-faust-"),
        consumer_auto_offset_reset="earliest",
        topic_partitions=contract.PARTITIONS,
        web_enabled=False,
    )


def decode(app, payments, meter, done):
    def decoded():
        return contract.decoded(meter.events, int(total * 100))

    # ---- what the user writes for decode
    total = 0

    @app.agent(payments)
    async def add_up(stream):
        nonlocal total
        async for payment in stream:
            meter.start()
            total += payment["amount"]
            meter.events += 1
            done(decoded)

    # ----


def windows(app, payments, meter, done, field, answer):
    def event_time(event):
        return event.value["occurred_at"].timestamp()

    # ---- what the user writes for minutes and users
    counts = app.Table("counts", default=int, partitions=4).tumbling(timedelta(minutes=1))
    sums = app.Table("sums", default=int, partitions=4).tumbling(timedelta(minutes=1))

    @app.agent(payments)
    async def aggregate(stream):
        async for event in stream.events():
            meter.start()
            key, at = event.value[field], event_time(event)
            by_count, by_sum = counts.relative_to(at)[key], sums.relative_to(at)[key]
            counts.relative_to(at)[key] = by_count.value() + 1
            sums.relative_to(at)[key] = by_sum.value() + int(event.value["amount"] * 100)
            meter.events += 1
            done(lambda: answer(groups(counts, sums)))

    # ----


def groups(counts, sums):
    """Read the tables' memory store: keys are (key, (window start, window end))."""
    for (key, (start, _)), n in counts.table._data.items():
        minute = int(start * 1000) // contract.MINUTE_MS * contract.MINUTE_MS
        yield minute, key, n, sums.table._data[key, (start, _)]


def by_user(found):
    return contract.users((minute, int(user[1:]), n, cents) for minute, user, n, cents in found)


def main(job: str, bootstrap: str, topic: str, count: int) -> None:
    app, meter = make_app(bootstrap), Meter()
    payments = app.topic(topic, value_serializer="payment_avro")

    def done(answer):
        if meter.events == count:
            meter.lap()
            meter.finish(answer())
            os._exit(0)  # Faust's own shutdown is not measured

    if job == "decode":
        decode(app, payments, meter, done)
    elif job == "minutes":
        windows(app, payments, meter, done, "type", contract.minutes)
    else:
        windows(app, payments, meter, done, "user_id", by_user)
    worker = faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
