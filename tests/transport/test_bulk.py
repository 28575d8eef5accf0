"""Reading in bulk, from the real broker: what is committed, in order, and why nothing comes."""

from __future__ import annotations

import socket

import pytest

from headrace.block import TopicPartition
from headrace.errors import Transient
from headrace.transport.bulk import Bulk, NoLonger
from tests.archive.kafka import Topic

PATIENCE_S = 30.0


@pytest.fixture
def topic(stack) -> Topic:
    """30 records are committed in three batches; aborted ones lie between them."""
    made = Topic(stack.kafka)
    for _ in range(3):
        made.send(10)
        made.send(2, abort=True)
    return made


def test_positions_join_and_go_over_what_was_not_committed(topic):
    expected = topic.records()
    at, offsets, values = 3, [], []
    with Bulk(topic.kafka, {topic.tp: at}) as bulk:
        assert bulk.end(topic.tp) is None
        while at != bulk.end(topic.tp):
            (part,) = bulk.fetch(1, PATIENCE_S).values()
            assert part.start == at
            at = part.end
            offsets += part.columns.offsets.tolist()
            values += part.columns.values
        assert bulk.fetch(1, 0.01) == {}
    assert [*zip(offsets, values, strict=True)] == [(r.offset, r.value) for r in expected[3:]]
    assert at > offsets[-1] + 1  # the last transaction was aborted


def test_what_retention_took_is_named(topic):
    topic.trim(5)
    with (
        Bulk(topic.kafka, {topic.tp: 4}) as bulk,
        pytest.raises(NoLonger) as gone,
    ):
        bulk.fetch(1, PATIENCE_S)
    assert gone.value.tp == topic.tp


def test_a_broker_that_does_not_answer_is_waited_for_by_the_caller():
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Transient, match="Kafka can't be read"):
        Bulk(nobody, {TopicPartition("t", 0): 0})
