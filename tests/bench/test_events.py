"""The bench's events: what is in the log is what the answers were counted on."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from decimal import Decimal

import fastavro
import pytest

from bench import contract
from bench.events import CHUNK, PARTITIONS, Topic, Truth, _placed, chunks

SCHEMA = fastavro.parse_schema(json.loads(contract.SCHEMA_FILE.read_text(encoding="utf-8")))
USERS, COUNT = 700, 3_000


def test_answers_are_those_of_a_plain_recount():
    truth, events = Truth(USERS), []
    for columns, values in chunks(COUNT, USERS):
        truth.add(columns)
        for value in values:
            datum = io.BytesIO(value[contract.FRAMING :])
            events.append(fastavro.schemaless_reader(datum, SCHEMA))
            assert not datum.read()
    assert len(events) == COUNT
    kinds: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    users: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for event in events:
        ms = round(event["occurred_at"].timestamp() * 1000)
        minute = ms // contract.MINUTE_MS * contract.MINUTE_MS
        for group in (kinds[minute, event["type"]], users[minute, int(event["user_id"][1:])]):
            group[0] += 1
            group[1] += int(event["amount"] * 100)
    cents = sum(int(e["amount"] * Decimal(100)) for e in events)
    assert truth.answer("consume") == contract.consumed(COUNT)
    assert truth.answer("decode") == contract.decoded(COUNT, cents)
    assert truth.answer("minutes") == contract.minutes((*k, *v) for k, v in kinds.items())
    assert truth.answer("users") == contract.users((*k, *v) for k, v in users.items())


def test_a_shorter_topic_is_a_prefix():
    (_, few), *_ = chunks(10, USERS)
    values = [value for _, part in chunks(CHUNK + 10, USERS) for value in part]
    assert values[:10] == few
    assert len(values) == CHUNK + 10


@pytest.mark.parametrize("key", ["type", "user"])
def test_keys_and_partitions(key):
    (columns, values), *_ = chunks(1_000, USERS)
    keys, partitions = _placed(Topic("t", key, USERS), columns)
    assert len(keys) == len(partitions) == len(values)
    if key == "type":
        assert set(keys) == {b"authorised", b"captured", b"failed", b"refunded"}
        assert [partitions.count(p) for p in range(PARTITIONS)] == [250] * PARTITIONS
    else:
        of = defaultdict(set)
        for name, partition in zip(keys, partitions, strict=True):
            of[name].add(partition)
        assert {len(found) for found in of.values()} == {1}
        assert min(partitions.count(p) for p in range(PARTITIONS)) > 150
