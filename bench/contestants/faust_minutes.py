"""Idiomatic Faust: one-minute tumbling tables by event time, as its documentation shows."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import faust

from bench.contestants.faust_decode import make_app
from bench.events import MINUTE_MS
from bench.meter import Meter


def main(bootstrap: str, topic: str, count: int) -> None:
    app, meter = make_app(bootstrap), Meter()

    def event_time(event):
        return event.value["occurred_at"].timestamp()

    # ---- what the user writes
    payments = app.topic(topic, value_serializer="payment_avro")
    counts = app.Table("counts", default=int, partitions=4).tumbling(timedelta(minutes=1))
    sums = app.Table("sums", default=int, partitions=4).tumbling(timedelta(minutes=1))

    @app.agent(payments)
    async def aggregate(stream):
        async for event in stream.events():
            meter.start()
            kind, at = event.value["type"], event_time(event)
            by_count, by_sum = counts.relative_to(at)[kind], sums.relative_to(at)[kind]
            counts.relative_to(at)[kind] = by_count.value() + 1
            sums.relative_to(at)[kind] = by_sum.value() + event.value["amount"]
            meter.events += 1
            if meter.events == count:
                meter.finish(answer(counts, sums))
                os._exit(0)  # done; Faust's own shutdown is not measured

    # ----
    worker = faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


def answer(counts, sums):
    """Read the tables' memory store: keys are (kind, (window start, window end))."""
    found = {}
    for (kind, (start, _)), n in counts.table._data.items():
        minute = int(start * 1000) // MINUTE_MS * MINUTE_MS
        found[f"{minute} {kind}"] = [n, sums.table._data[kind, (start, _)]]
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
