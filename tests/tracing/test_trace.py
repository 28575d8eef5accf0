"""The path of one event, by command and over HTTP, on real services with a real worker."""

from __future__ import annotations

import json
import time

import clickhouse_connect
import httpx
import pytest
from confluent_kafka import Producer

from headrace.block import TopicPartition
from headrace.lag import LagReader
from headrace.workers import Workers
from tests.serve import server
from tests.tracing.project import TOPIC, sale

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]
MAIL = "ann@example.com"


def traced(commands, event_id, *options, code=0):
    return json.loads(commands("trace", event_id, "--json", *options, code=code))


@pytest.fixture(scope="module")
def written(commands, stack):
    """Events that a worker has taken: good, repeated, refused by the rule."""
    commands.produce(
        sale("kept", amount=9000, email=MAIL), sale("other"), sale("kept", amount=9000),
        sale("refused", "bob", amount=-1),
    )  # fmt: skip
    with LagReader(stack.kafka, "traced", [TopicPartition(TOPIC, p) for p in (0, 1)]) as reader:
        workers = Workers(commands.root, 1, env=commands.env, log_file=commands.root / "log")
        workers.start()
        try:
            deadline = time.monotonic() + 60
            while any(lag.behind for lag in reader.read().values()):
                assert time.monotonic() < deadline
                workers.check()
                time.sleep(0.1)
        finally:
            workers.stop()


def test_a_written_event_has_its_rows_buckets_keys_and_times(commands, written):
    found = traced(commands, "kept")
    assert (found["topic"], found["status"]) == (TOPIC, "written")
    place = found["partition"], found["offset"]
    assert found["repeats"] == [place[1] + 2]
    assert found["block"]["first"] <= place[1] <= found["block"]["last"]
    [row] = found["rows"]
    assert row["table"] == "sales"
    assert (row["columns"]["_partition"], row["columns"]["_offset"]) == place
    assert row["columns"]["amount"] == 9000
    assert found["buckets"] == [
        {"view": "by_day", "key": {"day": "2026-03-01"}},
        {"view": "large_by_user", "key": {"user_id": "ann"}},
    ]
    assert [view["view"] for view in traced(commands, "other")["buckets"]] == [
        "by_day", "large_by_user",
    ]  # fmt: skip
    spent, by_mail = found["keys"]
    assert spent == {
        "key": f"traced:{{{place[0]}}}:spent:ann",
        "keyspace": "spent",
        "changes": [{"kind": "add", "field": "cents", "delta": 9000}],
    }
    assert by_mail["keyspace"] == "by:mail"
    times = {moment["step"]: moment["at"] for moment in found["times"]}
    assert times["happened"] == 1_772_359_200_000
    assert times["produced"] == found["produced_at"] <= times["in ClickHouse"] + 1000
    assert found["sample"]["email"] == "<private>"
    assert "pii" not in json.dumps(found)
    assert MAIL not in json.dumps(found)


def test_what_the_rule_refused_is_a_dead_letter_with_its_reason(commands, written):
    found = traced(commands, "refused", "--topic", TOPIC)
    assert found["status"] == "set_aside"
    assert found["dead_letter"]["step"] == "rule"
    assert "amount_not_negative" in found["dead_letter"]["reason"]
    assert not found["dead_letter"]["redriven"]
    assert (found["rows"], found["keys"], found["buckets"]) == ([], [], [])
    text = commands("trace", "refused")
    assert "Set aside as a dead letter." in text
    assert "amount_not_negative" in text


def test_what_no_worker_has_taken_yet_waits_at_its_position(commands, written):
    partition, end = next(iter(commands.produce(sale("late", "carl"))["positions"].items()))
    found = traced(commands, "late")
    assert found["status"] == "waiting"
    assert (found["partition"], found["offset"]) == (int(partition), end - 1)
    assert "Not written yet" in found["summary"]
    assert found["block"] is None
    assert [row["columns"]["user_id"] for row in found["rows"]] == ["carl"]


def test_what_is_nowhere_is_said_to_be(commands, written):
    commands("trace", "never", code=1)
    assert "no event 'never' in the tables of traced.sales" in commands.err
    commands("trace", "kept", "--topic", "nothing", code=2)
    assert "there are: traced.sales" in commands.err


def test_a_row_whose_record_is_gone_from_the_log_is_still_found(commands, written, stack):
    with clickhouse_connect.get_client(dsn=stack.clickhouse, database="traced") as client:
        client.command(
            "INSERT INTO sales (event_id, occurred_at, user_id, amount, _partition, _offset) "
            "VALUES ('ancient', '2020-01-01 00:00:00', 'dora', 7, 1, 99000)"
        )
    found = traced(commands, "ancient")
    assert found["status"] == "written"
    assert "has its record no more" in found["summary"]
    assert (found["sample"], found["rows"], found["keys"]) == (None, [], [])
    assert found["buckets"] == [{"view": "by_day", "key": {"day": "2020-01-01"}}]


def test_over_http(commands, written, stack, monkeypatch):
    monkeypatch.setattr(server, "ENV", commands.env)
    producer = Producer({"bootstrap.servers": stack.kafka})
    producer.produce(TOPIC, b"garbage", partition=0)
    producer.flush(10)
    with (
        server.served(commands.root) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        answer = client.get("/v1/events/kept/trace", params={"topic": TOPIC})
        assert answer.status_code == 200
        assert answer.json() == traced(commands, "kept")
        missing = client.get("/v1/events/never/trace")
        assert missing.status_code == 404
        assert missing.json()["type"] == "/problems/event-not-found"
        assert client.get("/v1/events/kept/trace?topic=no").json()["type"].endswith("unknown-topic")
        sample = client.get(f"/v1/topics/{TOPIC}/sample").json()
        assert sample["event_id"] in ("late", "kept", "refused")
        assert client.get("/v1/topics/no/sample").status_code == 404
        assert "/v1/events/{event_id}/trace" in client.get("/openapi.json").json()["paths"]
