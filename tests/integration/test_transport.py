"""The transport against a real broker: blocks, gaps, seeks, failures, commits to the offset."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest
from confluent_kafka import Producer
from faust.types import TP

from headrace.errors import ConfigError, Terminal, Transient
from headrace.frame import Frame
from headrace.preflight import check_topics
from headrace.writes import Writes
from tests.integration.harness import Pipeline, Remembering, echo

pytestmark = pytest.mark.services


def contiguous(pipeline: Pipeline, partition: int = 0) -> bool:
    spans = [b for b, _ in pipeline.sink.applied if b.partition == partition]
    return all(a.last + 1 == b.first for a, b in pairwise(spans))


async def test_every_record_is_delivered_once_and_committed_to_the_offset(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, partitions=3, max_rows=7)
    for p in range(3):
        pipeline.produce(*(b"%d" % i for i in range(20 + p)), partition=p)
    async with pipeline.running():
        for p in range(3):
            await pipeline.drained(p)
    for p in range(3):
        assert pipeline.sink.offsets(p) == list(range(20 + p))
        assert pipeline.lag(p).committed == 20 + p
        assert contiguous(pipeline, p)
    assert max(len(rows) for _, rows in pipeline.sink.applied) <= 7


async def test_a_second_worker_goes_on_where_the_first_stopped(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path)
    pipeline.produce(b"a", b"b")
    async with pipeline.running():
        await pipeline.drained()
    pipeline.produce(b"c")
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == [0, 1, 2]


async def test_no_block_is_handed_on_before_faust_has_emptied_its_queues(stack, tmp_path):
    """A worker that had no partitions gets some: the flow was never stopped for it."""
    pipeline = Pipeline(stack.kafka, tmp_path)
    pipeline.produce(b"a", b"b")
    offered = []
    async with pipeline.running() as app:
        await pipeline.drained()
        app.consumer.resume_flow()
        begin, offer = app.consumer._begin, app.consumer._delivery.offer

        async def slowly(tps):
            """Other partitions' positions take their time, and Faust's fetcher goes on."""
            await begin(tps)
            pipeline.produce(b"c")
            with contextlib.suppress(TimeoutError):
                await pipeline.until(lambda: offered, 2)

        app.consumer._begin = slowly
        app.consumer._delivery.offer = lambda *args: offered.append(args) or offer(*args)
        await app.consumer.perform_seek()
        assert offered == []
        app.flow_control.resume()
        app.consumer.resume_flow()
        await pipeline.drained()
    assert pipeline.sink.offsets() == [0, 1, 2]


async def test_an_empty_topic_commits_nothing_and_stays_quiet(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path)
    async with pipeline.running() as app:
        await pipeline.until(lambda: bool(app.consumer.assignment()))
        pipeline.produce(b"first")
        await pipeline.drained()
    assert pipeline.sink.offsets() == [0]


async def test_transaction_markers_and_aborted_records_are_gaps(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path)
    producer = Producer({"bootstrap.servers": stack.kafka, "transactional.id": pipeline.topic})
    producer.init_transactions(30)
    for commit, value in ((True, b"kept"), (False, b"aborted"), (True, b"kept too")):
        producer.begin_transaction()
        producer.produce(pipeline.topic, value, partition=0)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    async with pipeline.running():
        await pipeline.drained()
    values = [v for _, rows in pipeline.sink.applied for _, v in rows]
    assert values == [b"kept", b"kept too"]
    assert contiguous(pipeline)
    assert pipeline.lag().committed == pipeline.lag().end == 6  # three records, three markers


def offsets_in_the_log(kafka: str, topic: str) -> list[int]:
    """What is left in partition 0, by a plain consumer."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "look", "log_level": 3})
    place = TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([place])
    found: list[int] = []
    while not found or found[-1] < end - 1:
        found += [m.offset() for m in consumer.consume(100, 0.5)]
    consumer.close()
    return found


async def test_compaction_leaves_gaps_that_blocks_cover(stack, tmp_path):
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "100",
    }
    pipeline = Pipeline(stack.kafka, tmp_path, topic_config=config, max_rows=3)
    producer = Producer({"bootstrap.servers": stack.kafka})
    sent = 0

    async def compacted() -> bool:
        nonlocal sent
        for key in (b"a", b"b", b"a", b"a"):  # later segments let the cleaner take earlier ones
            producer.produce(pipeline.topic, b"%d" % sent, key, 0)
            sent += 1
        producer.flush(10)
        left = await asyncio.to_thread(offsets_in_the_log, stack.kafka, pipeline.topic)
        return len(left) <= sent - 6

    async with asyncio.timeout(60):
        while not await compacted():
            await asyncio.sleep(0.3)
    async with pipeline.running():
        await pipeline.drained()
    left = offsets_in_the_log(stack.kafka, pipeline.topic)
    delivered = pipeline.sink.offsets()
    assert set(left) <= set(delivered) | {max(left)}
    assert delivered == sorted(delivered)
    assert len(delivered) < sent
    assert contiguous(pipeline)
    assert pipeline.lag().committed == sent


async def test_records_deleted_from_the_front_are_skipped(stack, tmp_path):
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    pipeline = Pipeline(stack.kafka, tmp_path)
    pipeline.produce(*(b"%d" % i for i in range(10)))
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    for done in admin.delete_records([TopicPartition(pipeline.topic, 0, 4)]).values():
        done.result(30)
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == [4, 5, 6, 7, 8, 9]


async def test_seek_back_delivers_again_from_there(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, guarantee="at_least_once")
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running() as app:
        await pipeline.drained()
        await app.consumer.seek(TP(pipeline.topic, 0), 6)
        await pipeline.until(lambda: len(pipeline.sink.offsets()) == 14)
        pipeline.produce(b"after")
        await pipeline.until(lambda: len(pipeline.sink.offsets()) == 15)
        await pipeline.drained()
    assert pipeline.sink.offsets() == [*range(10), *range(6, 10), 10]


async def test_seek_back_applies_nothing_twice_under_exactly_once(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path)
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running() as app:
        await pipeline.drained()
        await app.consumer.seek(TP(pipeline.topic, 0), 6)
        pipeline.produce(b"after")
        await pipeline.until(lambda: len(pipeline.sink.offsets()) == 11)
        await pipeline.drained()
    assert pipeline.sink.offsets() == [*range(10), 10]


async def test_a_sink_that_is_away_holds_the_offset_and_then_goes_on(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path)
    pipeline.produce(b"a", b"b")
    failures = []

    def away(block):
        if len(failures) < 3:
            failures.append(block)
            return Transient("away")
        return None

    pipeline.sink.fail = away
    async with pipeline.running():
        await pipeline.drained()
    assert failures[0] == failures[2]  # the same range each time
    assert pipeline.sink.offsets() == [0, 1]


async def test_a_sink_that_refuses_stops_the_worker_and_commits_nothing(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, max_rows=2)
    pipeline.produce(b"a", b"b", b"c", b"d")
    pipeline.sink.fail = lambda block: Terminal("no such column") if block.first >= 2 else None
    async with pipeline.running():
        await pipeline.until(lambda: pipeline.runtime.failed is not None)
    assert "no such column" in str(pipeline.runtime.failed)
    assert pipeline.sink.offsets() == [0, 1]
    assert pipeline.lag().committed == 2
    pipeline.sink.fail = lambda _: None
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == [0, 1, 2, 3]


def fussy(frame: Frame) -> Writes:
    """An agent that can't bear one value."""
    if any(value == b"poison" for value in frame.df["value"]):
        raise ZeroDivisionError("poison")
    return echo(frame)


async def test_a_poison_record_goes_to_the_dead_letters_alone(stack, tmp_path):
    from confluent_kafka import Consumer

    pipeline = Pipeline(stack.kafka, tmp_path, agent="tests.integration.test_transport:fussy")
    pipeline.produce(*(b"poison" if i == 37 else b"%d" % i for i in range(100)))
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == [i for i in range(100) if i != 37]
    consumer = Consumer(
        {
            "bootstrap.servers": stack.kafka,
            "group.id": pipeline.topic,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([f"{pipeline.topic}.dlq"])
    letter = consumer.poll(20)
    consumer.close()
    headers = dict(letter.headers())
    assert letter.value() == b"poison"
    assert headers["headrace.offset"] == b"37"
    assert headers["headrace.step"] == b"agent"
    assert b"ZeroDivisionError" in headers["headrace.reason"]


def broken(frame: Frame) -> Writes:
    """An agent that can't bear anything."""
    if len(frame):
        raise RuntimeError("broken")
    return Writes()


async def test_an_agent_that_always_fails_stops_at_the_ceiling(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, agent="tests.integration.test_transport:broken")
    pipeline.produce(*(b"%d" % i for i in range(2000)))
    async with pipeline.running():
        await pipeline.until(lambda: pipeline.runtime.failed is not None)
    assert "max_ratio" in str(pipeline.runtime.failed)
    assert not pipeline.lag().committed


def test_missing_topics_and_changed_partitions_are_named(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, partitions=2)
    check_topics(stack.kafka, pipeline.topology)
    other = pipeline.topology.model_copy(
        update={"defaults": pipeline.topology.defaults.model_copy(update={"partitions": 4})}
    )
    with pytest.raises(ConfigError, match=r"has 2 partitions, topology\.yaml declares 4"):
        check_topics(stack.kafka, other)
    missing = pipeline.topology.model_copy(
        update={"topics": {"nowhere": pipeline.topology.topics[pipeline.topic]}}
    )
    with pytest.raises(ConfigError, match="'nowhere' does not exist: create it with"):
        check_topics(stack.kafka, missing)


async def test_a_sink_that_lost_its_tail_is_caught_up_alone_while_the_worker_runs(stack, tmp_path):
    pipeline = Pipeline(stack.kafka, tmp_path, max_rows=5)
    other = Remembering()
    other.name = "other"
    pipeline.others = [other]
    pipeline.produce(*(b"%d" % i for i in range(10)))
    async with pipeline.running():
        await pipeline.drained()
        pipeline.sink.forget_after(6)  # what Redis does when it comes back without its last second
        pipeline.produce(*(b"%d" % i for i in range(10, 15)))
        await pipeline.until(lambda: other.offsets() == list(range(15)))
        await pipeline.until(lambda: pipeline.sink.offsets() == list(range(15)))
        await pipeline.drained()
    assert other.offsets() == list(range(15))
