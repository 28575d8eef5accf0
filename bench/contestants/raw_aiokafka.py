"""Raw limit: aiokafka's getmany, values untouched."""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.contract import PARTITIONS
from bench.meter import Meter


async def main(bootstrap: str, topic: str, count: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
    meter = Meter()
    while meter.events < count:
        batches = await consumer.getmany(timeout_ms=500)
        if batches:
            meter.start()
        meter.events += sum(map(len, batches.values()))
    meter.finish({"events": meter.events})
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2], sys.argv[3], int(sys.argv[4])))
