"""Raw limit: librdkafka's consumer, values untouched."""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, TopicPartition

from bench.contract import PARTITIONS
from bench.meter import Meter


def main(bootstrap: str, topic: str, count: int) -> None:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "raw", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    meter = Meter()
    while meter.events < count:
        messages = consumer.consume(10_000, 0.5)
        if messages:
            meter.start()
        meter.events += sum(len(m.value()) > 0 for m in messages)
    meter.finish({"events": meter.events})
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3], int(sys.argv[4]))
