"""Any line given to `headrace produce`: sent, or told to be wrong; those around it are sent."""

from __future__ import annotations

import contextlib

import orjson
import pytest

from headrace.client.events import NotAnEvent, event_of, value_of
from headrace.schema import Codec, Encoder, Registry
from tests.fuzz.hunt import SHARE_S, bounded, hunt, kept, mangled
from tests.schema import cases
from tests.strategies import event, line

REGISTRY = Registry.load(cases.ROOT)
ENCODER = Encoder(REGISTRY, "orders")
EVENTS = [event("shop.orders"), event("shop.orders", lines=[line()], refund_amount="1.00")]
CODEC = Codec(REGISTRY, "orders")
TOKENS = [
    b"null", b"true", b"[]", b"{}", b"1e999", b"-0", b"9" * 5000, b'"1e999999999"',
    b'"0e-999999999"', b'"\\ud800"', b'"9999-12-31T23:59:59.999-23:59"',
    b'"0001-01-01T00:00:00+23:59"', b'"NaN"', b"[" * 900, b"[" * 900 + b"]" * 900,
    b'{"a":' * 900 + b"1" + b"}" * 900, b"\xff", b"\0", b",", b":", b'"', b"1.5",
]  # fmt: skip


def target(data: bytes) -> None:
    with contextlib.suppress(NotAnEvent):
        record = event_of(data)
        value = value_of(ENCODER, record)
        frame = CODEC.decode(cases.block([value]))
        assert frame.df["user_id"].to_list() == [record["user_id"]]


@pytest.mark.parametrize("data", kept("produce"))
def test_kept(data: bytes) -> None:
    bounded(target, data)


@pytest.mark.timeout(SHARE_S + 300)
def test_hunt() -> None:
    hunt(target, mangled([orjson.dumps(one) for one in EVENTS], TOKENS))
