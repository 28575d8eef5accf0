"""Events over HTTP into a real Kafka, through a real ``headrace serve``."""

from __future__ import annotations

import base64
import json
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.endpoints import Endpoints
from headrace.schema import Codec, Encoder, Registry
from headrace.serve.intake.body import MAX_BYTES
from headrace.serve.intake.room import MAX_BYTES as ROOM_BYTES
from tests.cli.test_commands import wait
from tests.client.test_translation import ENTRY
from tests.private import project as customers
from tests.schema import cases
from tests.serve import intake_project
from tests.serve.intake_project import SMALL, TOO_LARGE, Log
from tests.serve.server import served
from tests.strategies import event, events

NDJSON = {"Content-Type": "application/x-ndjson"}
ORDERS = "shop.orders"
CANARY = "canary-77ae"


class Served:
    """The project, its address, and what is in the log."""

    def __init__(self, root: Path, url: str, where: Endpoints) -> None:
        self.root = root
        self.http = httpx.Client(base_url=url, timeout=60)
        self.log = Log(where.kafka)
        self.redis = redis.Redis.from_url(where.redis)
        self.registry = Registry.load(root)

    def post(self, topic: str, body: Any, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(f"/v1/events/{topic}", content=raw, headers=headers)

    def stored(self, topic: str, item: dict[str, Any]) -> bytes:
        value = self.log.at(topic, item["partition"], item["offset"]).value()
        assert isinstance(value, bytes)
        return value


@pytest.fixture(scope="module")
def server(stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("intake")
    intake_project.write(root, stack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_MASTER_KEY", base64.b64encode(b"k" * 32).decode())
        with served(root) as url:
            one = Served(root, url, stack)
            yield one
            one.log.close()


def test_one_event_is_answered_with_its_position(server: Served) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = server.post(ORDERS, event(ORDERS), traceparent=parent)
    assert response.status_code == 200
    report = response.json()
    assert (report["accepted"], report["rejected"]) == (1, 0)
    (item,) = report["items"]
    assert (item["index"], item["status"]) == (0, "stored")
    message = server.log.at(ORDERS, item["partition"], item["offset"])
    assert message.key() == b"u1"
    assert message.headers() == [("traceparent", parent.encode())]
    assert server.log.at(ORDERS, **_position(server.post(ORDERS, event(ORDERS)))).headers() is None
    odd = server.post(ORDERS, event(ORDERS), traceparent="00-x")
    assert server.log.at(ORDERS, **_position(odd)).headers() is None


def _position(response: httpx.Response) -> dict[str, int]:
    (item,) = response.json()["items"]
    return {"partition": item["partition"], "offset": item["offset"]}


_WRONG: dict[str, Any] = {
    "event_id": st.none() | st.integers() | st.lists(st.integers()),
    "occurred_at": st.sampled_from(["yesterday", 2**70, -(2**70), True, 1.5]),
    "schema_version": st.integers(2**31) | st.text(),
    "region": st.text(max_size=5).filter(lambda text: text != "apac"),
    "total": st.sampled_from(["1.005", "NaN", "x", 1e300, True, "9" * 400]),
    "currency": st.integers() | st.dictionaries(st.text(), st.text(), max_size=2),
    "lines": st.sampled_from([{}, "none", 3]),
}
_wrong = st.sampled_from(sorted(_WRONG)).flatmap(
    lambda field: _WRONG[field].map(lambda value: (field, value))
)
_lacking = st.sampled_from(["event_id", "user_id", "total", "type"])
_stranger = st.tuples(st.just("colour"), st.integers() | st.none())


@st.composite
def _given(draw: st.DrawFn) -> tuple[Any, str | None]:
    """An event, and the name of the field that is wrong with it."""
    good = draw(events(ORDERS))
    how = draw(st.sampled_from(["good", "good", "wrong", "lacking", "stranger", "none"]))
    if how == "wrong":
        field, value = draw(_wrong)
        return {**good, field: value}, field
    if how == "lacking":
        field = draw(_lacking)
        return {name: value for name, value in good.items() if name != field}, field
    if how == "stranger":
        field, value = draw(_stranger)
        return {**good, field: value}, field
    if how == "none":
        return draw(st.none() | st.integers() | st.text(max_size=3) | st.just([])), ""
    return good, None


def test_what_is_accepted_can_be_read_and_what_is_rejected_names_its_field(server: Served) -> None:
    encoder, codec = Encoder(server.registry, "orders"), Codec(server.registry, "orders")

    @settings(max_examples=40)
    @given(st.lists(_given(), min_size=1, max_size=12), st.booleans())
    def check(batch: list[tuple[Any, str | None]], lines: bool) -> None:
        sent = [one for one, _ in batch]
        if lines:
            body = b"\n".join(json.dumps(one).encode() for one in sent)
            response = server.post(ORDERS, body, **NDJSON)
        else:
            response = server.post(ORDERS, sent)
        wrong = sum(field is not None for _, field in batch)
        report = response.json()
        assert response.status_code == (200 if not wrong else 207 if wrong < len(batch) else 422)
        assert (report["accepted"], report["rejected"]) == (len(batch) - wrong, wrong)
        assert [item["index"] for item in report["items"]] == list(range(len(batch)))
        for item, (one, field) in zip(report["items"], batch, strict=True):
            if field is not None:
                assert item["status"] == "rejected"
                (error,) = item["errors"]
                assert (error["field"], bool(error["message"])) == (field, True)
                continue
            value = server.stored(ORDERS, item)
            assert value == encoder.encode(one)
            frame = codec.decode(cases.block([value]))
            assert encoder.encode(encoder.to_json(frame.df.row(0, named=True))) == value

    check()


def test_errors_name_the_path_of_an_inner_field(server: Served) -> None:
    line = {"product_id": "p", "category": "c", "quantity": "many", "unit_price": "1.00"}
    wrong = server.post(ORDERS, event(ORDERS, lines=[line])).json()
    assert wrong["items"][0]["errors"][0]["field"] == "lines[0].quantity"
    strange = server.post(ORDERS, event(ORDERS, lines=[{**line, "quantity": 1, "x": 1}])).json()
    assert strange["items"][0]["errors"][0]["field"] == "lines[0].x"


def test_lines_are_numbered_with_the_empty_ones_and_broken_ones_are_told(server: Served) -> None:
    good = json.dumps(event(ORDERS)).encode()
    response = server.post(ORDERS, b"\n".join([good, b"", b"{", b"[1]", good, b""]), **NDJSON)
    assert response.status_code == 207
    items = response.json()["items"]
    assert [(item["index"], item["status"]) for item in items] == [
        (0, "stored"), (2, "rejected"), (3, "rejected"), (4, "stored"),
    ]  # fmt: skip
    assert items[1]["errors"][0]["message"].startswith("not JSON: ")


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"{", {}, 400, "not-json"),
        (b"3", {}, 400, "not-json"),
        (b"[" * 100_000 + b"]" * 100_000, {}, 400, "not-json"),
        (b"[" + b"0," * 10_000 + b"0]", {}, 413, "too-many-events"),
        (b"0\n" * 10_001, NDJSON, 413, "too-many-events"),
        (b"[" + b" " * MAX_BYTES + b"]", {}, 413, "body-too-large"),
        (b"{}", {"Content-Type": "text/csv"}, 415, "unsupported-media-type"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "unsupported-coding"),
        (b"{}", {"Idempotency-Key": "ä".encode("latin-1").decode("latin-1")}, 400, None),
        (b"{}", {"Idempotency-Key": "x" * 256}, 400, "bad-idempotency-key"),
    ],
)
def test_what_is_no_request_is_a_problem(
    server: Served, body: bytes, headers: dict[str, str], status: int, kind: str | None
) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = server.http.post(f"/v1/events/{ORDERS}", content=body, headers=raw)
    assert response.status_code == status
    if kind is not None:
        assert response.json()["type"] == f"/problems/{kind}"
        assert response.headers["content-type"] == "application/problem+json"


def test_a_body_without_length_is_bounded_too(server: Served) -> None:
    chunks = (b" " * (1 << 20) for _ in range(9))
    assert server.http.post(f"/v1/events/{ORDERS}", content=chunks).status_code == 413


def test_deep_json_is_rejected_where_it_stands(server: Served) -> None:
    deep = b'{"event_id":' + b"[" * 900 + b"]" * 900 + b"}"
    response = server.post(ORDERS, deep)
    assert response.status_code == 422
    assert response.json()["rejected"] == 1


def test_unknown_names_are_told_with_those_there_are(server: Served) -> None:
    assert "shop.orders" in server.post("shop.nothing", {}).json()["detail"]
    response = server.http.post("/v1/intake/nothing", json={})
    assert response.status_code == 404
    assert "kong" in response.json()["detail"]


def test_a_batch_of_kong_is_stored_and_one_that_is_all_wrong_is_not_repeated(
    server: Served,
) -> None:
    response = server.http.post("/v1/intake/kong", json=[ENTRY, {}])
    assert response.status_code == 207
    stored, rejected = response.json()["items"]
    message = server.log.at("platform.requests", stored["partition"], stored["offset"])
    assert message.key() == b"storefront-1"
    assert rejected["errors"][0]["field"] == "event_id"
    assert server.http.post("/v1/intake/kong", json=ENTRY).status_code == 200
    assert server.http.post("/v1/intake/kong", json={}).status_code == 207


def test_a_record_that_the_broker_refuses_is_rejected_and_its_neighbours_are_stored(
    server: Served,
) -> None:
    large = event(SMALL, session_id=token_hex(TOO_LARGE), user_id="large")
    response = server.post(SMALL, [event(SMALL, user_id="small one"), large])
    assert response.status_code == 207
    small, refused = response.json()["items"]
    assert server.log.at(SMALL, small["partition"], small["offset"]).key() == b"small one"
    assert refused["status"] == "rejected"
    assert "the broker refused it" in refused["errors"][0]["message"]


def test_ten_thousand_in_one_request_while_others_are_answered(server: Served) -> None:
    many = [event(ORDERS, number, user_id=f"u{number % 50}") for number in range(10_000)]
    body = b"\n".join(json.dumps(one).encode() for one in many)
    meanwhile = 0
    with ThreadPoolExecutor(2) as pool:
        large = [pool.submit(server.post, ORDERS, body, **NDJSON) for _ in range(2)]
        while not any(one.done() for one in large):
            server.http.get("/subjects").raise_for_status()
            meanwhile += 1
    assert [one.result().json()["accepted"] for one in large] == [10_000, 10_000]
    # A loop that does the work itself answers others only between its few steps: twice, not 20
    # times.
    assert meanwhile > 6
    by_place: dict[tuple[str, int], list[int]] = {}
    for item, one in zip(large[0].result().json()["items"], many, strict=True):
        by_place.setdefault((one["user_id"], item["partition"]), []).append(item["offset"])
    assert len(by_place) == 50  # a key has one partition
    assert all(offsets == sorted(offsets) for offsets in by_place.values())


def test_more_than_fits_is_told_to_come_again(server: Served) -> None:
    """Bodies that have not ended yet fill the room, and give it back when their clients go."""
    address = (server.http.base_url.host, server.http.base_url.port or 80)
    host = f"{address[0]}:{address[1]}"
    head = (
        f"POST /v1/events/{ORDERS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {MAX_BYTES}\r\n\r\n"
    )
    with ExitStack() as stack:
        clients = []
        for _ in range(ROOM_BYTES // MAX_BYTES + 1):
            clients.append(stack.enter_context(socket.create_connection(address)))
            clients[-1].sendall(head.encode() + b" " * (MAX_BYTES - 1))
        answered, _, _ = select.select(clients, [], [], 30)
        assert 1 <= len(answered) < len(clients)  # the others are still expected to go on
        for one in answered:
            full = one.recv(1_000)
            assert full.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 1\r\n" in full
    wait(lambda: server.post(ORDERS, event(ORDERS)).status_code == 200)


def test_private_fields_are_encrypted_and_never_quoted(server: Served) -> None:
    good = customers.event("ann", email=CANARY, device=CANARY)
    wrong = customers.event("ann", email={"is": CANARY})
    nobody = {name: value for name, value in good.items() if name != "user_id"}
    response = server.post(customers.TOPIC, [good, wrong, nobody])
    assert CANARY not in response.text
    stored, *rejected = response.json()["items"]
    value = server.stored(customers.TOPIC, stored)
    assert CANARY.encode() not in value
    assert (value.count(b"hrx1:"), value.count(b"hrp1:")) == (1, 1)
    assert [item["errors"][0]["field"] for item in rejected] == ["email", "user_id"]


def test_a_key_gets_the_same_answer_without_sending_again(server: Served) -> None:
    body = [event(ORDERS), {}]
    key = {"Idempotency-Key": '"order 1"'}
    first = server.post(ORDERS, body, **key)
    assert first.status_code == 207
    ends = server.log.ends(ORDERS)
    again = server.post(ORDERS, body, **key)
    assert (again.status_code, again.content) == (207, first.content)
    assert server.log.ends(ORDERS) == ends
    other = server.post(ORDERS, [event(ORDERS)], **key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    elsewhere = server.post("shop.payments", event("shop.payments"), **key)
    assert elsewhere.status_code == 200
    kept = [server.redis.ttl(name) for name in server.redis.scan_iter("it*:intake:*")]
    assert kept
    assert all(86_000 < seconds <= 86_400 for seconds in kept)


def test_a_key_that_is_in_progress_is_a_conflict_and_one_that_failed_is_free(
    server: Served,
) -> None:
    line = json.dumps(event(ORDERS)).encode() + b"\n"
    key = {"Idempotency-Key": "busy", **NDJSON}
    with ThreadPoolExecutor(6) as pool:
        ends = server.log.ends(ORDERS)
        answers = list(pool.map(lambda _: server.post(ORDERS, line * 5_000, **key), range(6)))
    assert {one.status_code for one in answers} == {200, 409}
    assert len({one.content for one in answers if one.status_code == 200}) == 1
    assert server.log.ends(ORDERS) == ends + 5_000
    failed = {"Idempotency-Key": "failed"}
    assert server.post(ORDERS, b"{", **failed).status_code == 400
    assert server.post(ORDERS, event(ORDERS), **failed).status_code == 200
