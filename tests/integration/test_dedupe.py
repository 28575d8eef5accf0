"""Producers' repeats against a real broker: dropped within the window, whoever delivers."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import TopicPartition as KafkaTP
from confluent_kafka.admin import AdminClient
from faust.types import TP

from headrace.block import Block
from headrace.frame import Frame
from tests.integration.harness import Pipeline, decode

pytestmark = pytest.mark.services


def values(pipeline: Pipeline) -> list[bytes]:
    return [value for _, rows in pipeline.sink.applied for _, value in rows]


async def test_a_repeat_is_dropped_and_counted(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=3, max_rows=4)
    pipeline.produce(b"a", b"b", b"a", b"c", b"d", b"b", b"a")  # the last b and a are 4 away
    async with pipeline.running():
        await pipeline.drained()
        assert pipeline.runtime is not None
        assert pipeline.runtime.metrics.duplicates[pipeline.topic] == 1
    assert values(pipeline) == [b"a", b"b", b"c", b"d", b"b", b"a"]
    assert pipeline.lag().committed == 7


async def test_a_successor_reads_the_window_again(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=4, max_rows=2)
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running():
        await pipeline.drained()
    pipeline.produce(b"9", b"5", b"6", b"new")  # 10 to 13: 9 is 1 away, 5 and 6 are 6 away
    async with pipeline.running():
        await pipeline.drained()
    assert values(pipeline)[10:] == [b"5", b"6", b"new"]


async def test_a_worker_may_stop_while_it_reads_the_window_again(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=100)
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running():
        await pipeline.drained()
    begun, go_on = threading.Event(), threading.Event()

    def slow(block: Block) -> Frame:
        begun.set()
        go_on.wait(20)
        return decode(block)

    pipeline.decode_ids = slow
    async with pipeline.running():
        await pipeline.until(begun.is_set)
    assert pipeline.runtime is not None
    assert pipeline.runtime.failed is None
    go_on.set()


async def test_a_window_longer_than_the_log_begins_where_the_log_does(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=1_000)
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running():
        await pipeline.drained()
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    deleted = admin.delete_records([KafkaTP(pipeline.topic, 0, 5)])
    next(iter(deleted.values())).result(30)
    pipeline.produce(b"9", b"2")  # 2 was deleted: nobody can know that it is a repeat
    async with pipeline.running():
        await pipeline.drained()
    assert values(pipeline)[10:] == [b"2"]


async def test_a_sink_that_is_caught_up_gets_the_same_rows(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=5, max_rows=3)
    pipeline.produce(b"a", b"b", b"a", b"c", b"b", b"d", b"e", b"e")
    async with pipeline.running():
        await pipeline.drained()
        before = values(pipeline)
        pipeline.sink.forget_after(1)
        pipeline.produce(b"f")
        await pipeline.until(lambda: pipeline.sink.offsets()[-1:] == [8])
    assert values(pipeline) == [*before, b"f"] == [b"a", b"b", b"c", b"d", b"e", b"f"]


async def test_after_a_seek_the_window_is_that_of_the_new_position(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=2, guarantee="at_least_once")
    pipeline.produce(b"a", b"b", b"a", b"c")
    async with pipeline.running() as app:
        await pipeline.drained()
        await app.consumer.seek(TP(pipeline.topic, 0), 2)
        pipeline.produce(b"d", b"c")
        await pipeline.until(lambda: pipeline.sink.offsets()[-1:] == [4])
        await pipeline.drained()
    assert [o for o in pipeline.sink.offsets() if o >= 2] in ([3, 4], [3, 3, 4])
