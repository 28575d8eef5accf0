"""Bytewax: a dataflow over Avro events, with its windowing operators, as one worker.

It keeps no recovery store, and results end in a list and not in a topic.
"""

from __future__ import annotations

import operator
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSource
from bytewax.connectors.kafka.serde import PlainAvroDeserializer
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from bench import contract
from bench.meter import Meter

BATCH = 10_000  # its default of 1,000 is made for latency too
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Longer than any run: without a recovery store a snapshot is made for nobody.
SNAPSHOTS = timedelta(days=1)

CLOCK = EventClock(
    lambda payment: payment["occurred_at"],
    # The watermark goes on by the system's time while a backlog is read: it must not overtake it.
    wait_for_system_duration=timedelta(days=1),
    # By the system's clock all windows of a backlog are due, and every key would be woken for
    # nothing over and over: the end of the topic closes them.
    to_system_utc=lambda _: None,
)
MINUTES = TumblingWindower(align_to=EPOCH, length=timedelta(minutes=1))


class Collected(DynamicSink):
    """A list of all that comes, each batch of which may be the last."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.items = []

    def build(self, step_id, worker_index, worker_count):
        return Part(self.items, self._meter)


class Part(StatelessSinkPartition):
    def __init__(self, items: list[Any], meter: Meter) -> None:
        self._items, self._meter = items, meter

    def write_batch(self, items):
        self._items += items
        self._meter.lap()


def decoder(meter: Meter):
    """Confluent-framed Avro of a known schema, decoded by the library."""
    decode = PlainAvroDeserializer(contract.SCHEMA_FILE.read_text(encoding="utf-8"))

    def payment(message):
        meter.start()
        meter.events += 1
        return decode(message.value[contract.FRAMING :])

    return payment


def decode(payments):
    # ---- what the user writes for decode
    def add_up(batch):
        return [("all", sum(payment["amount"] for payment in batch))]

    parts = op.flat_map_batch("add up", payments, add_up)
    return op.reduce_final("total", parts, operator.add)
    # ----


def windows(payments, field):
    # ---- what the user writes for minutes and users
    def add(total, payment):
        return total[0] + 1, total[1] + payment["amount"]

    def merge(one, other):
        return one[0] + other[0], one[1] + other[1]

    keyed = op.key_on("key", payments, lambda payment: payment[field])
    sums = win.fold_window("sums", keyed, CLOCK, MINUTES, lambda: (0, 0), add, merge, ordered=False)
    return sums.down
    # ----


def groups(found):
    """A window's id counts minutes from the epoch, as it is what windows are aligned to."""
    for key, (minute, (events, amount)) in found:
        yield minute * contract.MINUTE_MS, key, events, int(amount * 100)


def main(job: str, bootstrap: str, topic: str) -> None:
    meter = Meter()
    results = Collected(meter)
    flow = Dataflow("bench")
    source = KafkaSource([bootstrap], [topic], tail=False, batch_size=BATCH)
    payments = op.map("decode", op.input("payments", flow, source), decoder(meter))
    if job == "decode":
        down = decode(payments)
    else:
        down = windows(payments, "type" if job == "minutes" else "user_id")
    op.output("results", down, results)
    cli_main(flow, epoch_interval=SNAPSHOTS)
    if job == "decode":
        answer = contract.decoded(meter.events, int(results.items[0][1] * 100))
    elif job == "minutes":
        answer = contract.minutes(groups(results.items))
    else:
        answer = contract.users((m, int(user[1:]), n, c) for m, user, n, c in groups(results.items))
    meter.finish(answer)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # all there is: the number of events is not asked
