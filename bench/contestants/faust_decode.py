"""Idiomatic Faust: an agent over a stream of Avro events, decoded with fastavro."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import uuid

import fastavro
import faust
from faust.serializers import codecs

from bench.events import SCHEMA_FILE
from bench.meter import Meter

SCHEMA = fastavro.parse_schema(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


class Avro(codecs.Codec):
    """Confluent-framed Avro, as a Faust user would plug it in."""

    def _loads(self, s: bytes) -> dict[str, object]:
        return fastavro.schemaless_reader(io.BytesIO(s[5:]), SCHEMA)

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
        topic_partitions=4,
        web_enabled=False,
    )


def main(bootstrap: str, topic: str, count: int) -> None:
    app, meter = make_app(bootstrap), Meter()
    # ---- what the user writes
    payments = app.topic(topic, value_serializer="payment_avro")

    @app.agent(payments)
    async def decode(stream):
        async for _event in stream:
            meter.start()
            meter.events += 1
            if meter.events == count:
                meter.finish()
                os._exit(0)  # done; Faust's own shutdown is not measured

    # ----
    worker = faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
