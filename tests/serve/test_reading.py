"""What holds for all answers: tags, positions, waiting, streams, connections."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import pytest

from headrace.block import TopicPartition
from headrace.lag import LagReader
from headrace.murmur import partition_of
from headrace.serve.entities.client import CONNECTIONS as TO_REDIS
from headrace.serve.queries.client import CONNECTIONS as TO_CLICKHOUSE

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
OLD = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00Z"}


def order(shop, order_id):
    """Send an order that was placed in the first minute of 2021, and say which record it is."""
    line = {"product_id": "p", "category": "books", "quantity": 1, "unit_price": "9.50"}
    event = {
        "event_id": order_id, "occurred_at": "2021-01-01T00:00:10Z", "producer": "test",
        "schema_version": 1, "trace_id": None, "user_id": "reader", "region": "eu_west",
        "order_id": order_id, "type": "placed", "currency": "EUR", "total": "9.50",
        "lines": [line],
    }  # fmt: skip
    shop.headrace("produce", "shop.orders", stdin=json.dumps(event))
    partition = partition_of(b"reader", 4)
    tp = TopicPartition("shop.orders", partition)
    with LagReader(shop.endpoints.kafka, shop.topology.name, [tp]) as reader:
        return f"shop.orders:{partition}:{reader.read()[tp].end - 1}"


def test_an_answer_has_a_tag_that_saves_sending_it_again(shop):
    for path, parameters, age in (
        ("/v1/metrics/orders/series", OLD, "max-age=1"),
        ("/v1/metrics", {}, "max-age=60"),
        ("/v1/catalog", {}, "max-age=60"),
        ("/v1/features/nobody", {}, "no-cache"),
        ("/v1/views/trending/all/product:trending", {"limit": 2}, "max-age=1"),
    ):
        first = shop.get(path, **parameters)
        assert first.status_code == 200, first.text
        assert first.headers["cache-control"] == f"private, {age}"
        position = json.loads(first.headers["x-headrace-position"])
        assert position == first.json()["position"]
        tag = first.headers["etag"]
        for given in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = shop.client.get(path, params=parameters, headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        other = shop.client.get(path, params=parameters, headers={"If-None-Match": 'W/"x"'})
        assert other.status_code == 200


def test_a_reader_sees_what_it_wrote(shop):
    window = {"from": "2021-01-01T00:00:00Z", "to": "2021-01-01T00:01:00Z"}

    def placed(**parameters):
        answer = shop.get("/v1/metrics/orders/series", **window, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["series"][0]["points"][0][1]

    before = placed()  # in the cache now
    for n in (1, 2, 3):
        order_id = f"o-{uuid.uuid4()}"
        record = order(shop, order_id)
        assert placed(at_least=record, wait_ms=5_000) == before + n
    answer = shop.get(f"/v1/views/order/{order_id}", at_least=record, wait_ms=5_000)
    assert answer.json()["keyspaces"]["order"]["state"]["total"] == 950
    features = shop.get("/v1/features/reader", at_least=record, wait_ms=5_000).json()
    assert features["keyspaces"]["user:affinity:category"][0][0] == "books"


def test_what_is_not_reached_in_time_says_how_far_it_is(shop):
    for path in ("metrics/orders/series", "features/u1", "views/order/o1"):
        started = time.monotonic()
        answer = shop.get(f"/v1/{path}", at_least="shop.orders:0:999999999", wait_ms=200)
        assert 0.2 <= time.monotonic() - started < 3
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (504, "/problems/not-reached")
        assert problem["position"]["shop.orders"][0] < 999_999_999


def test_a_stream_tells_what_changes(shop):
    flag = {
        "event_id": "live", "occurred_at": int(time.time() * 1000), "producer": "test",
        "schema_version": 1, "trace_id": None, "user_id": "reader", "region": "apac",
        "flag": "live", "variant": "on", "reason": "split",
    }  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(events, shop, 2) for _ in range(3)]
        shop.headrace("produce", "platform.flags", stdin=json.dumps(flag))
        found = [future.result(60) for future in looking]
    for first, second in found:
        assert first["series"] == []
        assert second["series"][0]["labels"] == {"flag": "live"}
        assert second["series"][0]["points"][-1][1] == 1


def events(shop, count):
    """The first events of a stream of what nobody was exposed to yet."""
    found = []
    parameters = {"last": "1h", "by": "flag", "where": "flag:live"}
    path = "/v1/metrics/exposures/stream"
    with shop.client.stream("GET", path, params=parameters) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                if len(found) == count:
                    return found
    raise AssertionError("the stream ended")


def test_connections_stay_few_whatever_the_number_of_callers(shop):
    listening = urlsplit(shop.url).port
    process = next(
        psutil.Process(c.pid)
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == listening
    )
    users = [f"/v1/features/u{n}" for n in range(200)]
    lengths = [f"/v1/metrics/requests/series?last={n}h" for n in range(1, 60)]
    with ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(lambda path: shop.client.get(path).status_code, users + lengths))
    assert set(codes) == {200}
    ports = [c.raddr.port for c in process.net_connections("tcp") if c.raddr]
    # Beside the read API's there are a few that do not depend on callers at all.
    assert 1 <= ports.count(urlsplit(shop.endpoints.clickhouse).port) <= 2 * TO_CLICKHOUSE
    assert 1 <= ports.count(urlsplit(shop.endpoints.redis).port) <= 2 * TO_REDIS
