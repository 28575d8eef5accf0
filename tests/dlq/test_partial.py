"""A value decoded as far as it goes: good fields with their bytes, then why it stops."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.frame import Frame
from headrace.schema import Codec, Encoder, Registry, partial
from headrace.testing import Project

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = Registry.load(ROOT)
ORDER = {
    "event_id": "01", "occurred_at": "2026-11-23T10:00:00.000Z", "producer": "till",
    "schema_version": 1, "trace_id": None, "user_id": "ann", "region": "eu_west",
    "type": "placed", "order_id": "o-1", "currency": "EUR", "total": "12.50",
    "lines": [{"product_id": "p1", "category": "c", "quantity": 1, "unit_price": "-0.05"}],
    "carrier": None, "tracking": None, "reason": None, "refund_amount": None,
}  # fmt: skip
GOOD = Encoder(REGISTRY, "orders").encode(ORDER)


def refused(value: bytes) -> str | None:
    """What the pipeline says of a value."""
    project = Project(ROOT)
    block = project.block("shop.orders", [ORDER])
    object.__setattr__(block, "values", [value])
    frame: Frame = Codec(REGISTRY, "orders").decode(block)
    return frame.bad[0].reason if frame.bad else None


def test_a_good_value_is_shown_whole_and_its_bytes_are_all_accounted_for():
    shown = partial.decode(GOOD, REGISTRY, "orders")
    assert shown.failed is None
    found = {field.name: field.value for field in shown.fields}
    assert {name: found[name] for name in ORDER} == ORDER
    at = 5
    for field in shown.fields:
        assert field.first == at
        at = field.behind
    assert at == len(GOOD)


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_a_truncated_value_is_shown_up_to_the_field_that_lacks_bytes(cut):
    shown = partial.decode(GOOD[:cut], REGISTRY, "orders")
    assert shown.failed == refused(GOOD[:cut])
    whole = partial.decode(GOOD, REGISTRY, "orders").fields
    assert shown.fields == whole[: len(shown.fields)]
    if cut >= 5:
        assert shown.at == (shown.fields[-1].behind if shown.fields else 5)


@given(st.data())
def test_damage_is_worded_as_the_pipeline_does_and_never_raises(data):
    value = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(5, len(value) - 1))
        value[place] = data.draw(st.integers(0, 255))
    shown = partial.decode(bytes(value), REGISTRY, "orders")
    assert shown.failed == refused(bytes(value))
    orjson.dumps([field.value for field in shown.fields])


def test_what_is_left_over_or_of_another_schema_is_said():
    assert "1 bytes are left over" in (partial.decode(GOOD + b"x", REGISTRY, "orders").failed or "")
    flags = REGISTRY.latest("flags").id
    other = GOOD[:1] + flags.to_bytes(4, "big") + GOOD[5:]
    shown = partial.decode(other, REGISTRY, "orders")
    assert shown.schema is not None
    assert "flags" in shown.schema
    assert "not registered" in (partial.decode(b"\0\0\0\x27\x0fx", REGISTRY, "orders").failed or "")
