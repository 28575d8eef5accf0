"""Quix Streams: streaming data frames over Avro events, with its windowed aggregations.

Its state has no changelog topic, results end in a dict and not in a topic, and the checkpoint of
its shutdown is not measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
from datetime import timedelta

from quixstreams import Application, message_context
from quixstreams.dataframe.windows import Count, Sum
from quixstreams.models.serializers.avro import AvroDeserializer

from bench import contract
from bench.meter import Meter

SCHEMA = json.loads(contract.SCHEMA_FILE.read_text(encoding="utf-8"))

#: Nothing is late. Any grace that reaches back before 1970 also spares the library a search of its
#: state for closed windows at every event.
GRACE = timedelta(days=36_500)


class FramedAvro(AvroDeserializer):
    """Confluent-framed Avro of a known schema: the library's own would ask a registry for it."""

    def __call__(self, value, ctx):
        return super().__call__(value[contract.FRAMING :], ctx)


def make_app(bootstrap: str, state_dir: str) -> Application:
    return Application(
        broker_address=bootstrap,
        consumer_group=f"bench-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        use_changelog_topics=False,
        state_dir=state_dir,
        loglevel="WARNING",
    )


def event_time(payment, headers, timestamp, timestamp_type):
    return round(payment["occurred_at"].timestamp() * 1000)


def decode(payments, seen):
    # ---- what the user writes for decode
    total = 0

    def add_up(payment):
        nonlocal total
        total += payment["amount"]
        seen()

    payments.update(add_up)

    # ----
    return lambda: contract.decoded(seen.meter.events, int(total * 100))


def windows(payments, seen, answer):
    # ---- what the user writes for minutes and users
    latest = {}

    def keep(window, key, timestamp, headers):
        latest[message_context().partition, key, timestamp] = window
        seen()

    (
        payments.apply(lambda payment: int(payment["amount"] * 100))
        .tumbling_window(timedelta(minutes=1), grace_ms=GRACE)
        .agg(events=Count(), cents=Sum())
        .current()
        .update(keep, metadata=True)
    )

    # ----
    return lambda: answer(
        (minute, key, window["events"], window["cents"])
        for (_, key, minute), window in latest.items()
    )


def by_user(found):
    return contract.users((minute, int(user[1:]), n, cents) for minute, user, n, cents in found)


class Seen:
    """Told of every event that is done with."""

    def __init__(self, count: int) -> None:
        self.meter, self._count = Meter(), count

    def __call__(self) -> None:
        self.meter.start()
        self.meter.events += 1
        if self.meter.events == self._count:
            self.meter.lap()


def main(job: str, bootstrap: str, topic: str, count: int) -> None:
    seen = Seen(count)
    with tempfile.TemporaryDirectory(prefix="bench-quix-") as state_dir:
        app = make_app(bootstrap, state_dir)
        payments = app.dataframe(
            app.topic(
                topic,
                key_deserializer="string",
                value_deserializer=FramedAvro(SCHEMA),
                timestamp_extractor=event_time,
            )
        )
        if job == "decode":
            answer = decode(payments, seen)
        else:
            answer = windows(payments, seen, contract.minutes if job == "minutes" else by_user)
        app.run(count=count, collect=False)  # every event has one output
    seen.meter.finish(answer())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
