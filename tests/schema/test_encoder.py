from __future__ import annotations

import io
import json
from decimal import Decimal
from random import Random
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schema import Codec, EncodeError, Encoder, Registry
from tests.schema import cases

REGISTRY = Registry.load(cases.ROOT)
ORDER: dict[str, Any] = {
    "event_id": "01J0000000000000000000000A",
    "occurred_at": "2026-03-01T12:00:00.250Z",
    "producer": "checkout",
    "schema_version": 1,
    "user_id": "u-1",
    "region": "eu_west",
    "type": "placed",
    "order_id": "o-1",
    "currency": "EUR",
    "total": "19.90",
    "lines": [{"product_id": "p", "category": "garden", "quantity": 2, "unit_price": 9.95}],
}


def test_fastavro_reads_what_is_encoded() -> None:
    value = Encoder(REGISTRY, "orders").encode(ORDER)
    schema = REGISTRY.latest("orders")
    assert value[:5] == b"\0\0\0\0\x03"
    record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema.fast, None)
    assert record["total"] == Decimal("19.90")
    assert record["lines"][0]["unit_price"] == Decimal("9.95")
    assert record["occurred_at"].isoformat() == "2026-03-01T12:00:00.250000+00:00"
    assert record["trace_id"] is None
    assert record["refund_amount"] is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"total": "19.905"}, "orders.total: expected decimal(12, 2), got '19.905' (more places"),
        ({"total": 10**11}, "orders.total: expected decimal(12, 2), got 100000000000 (more digits"),
        ({"total": "1e999999999"}, "too large"),
        ({"total": "1e-999999999"}, "more places than the scale"),
        ({"total": "NaN"}, "not finite"),
        ({"total": True}, "got True"),
        ({"type": "lost"}, "orders.type: expected one of placed, paid"),
        ({"schema_version": 2**31}, "orders.schema_version: expected int, got 2147483648 (outside"),
        ({"occurred_at": "yesterday"}, "orders.occurred_at: expected timestamp-millis"),
        ({"occurred_at": "2026-03-01T12:00:00"}, "expected timestamp-millis"),  # which zone?
        ({"occurred_at": "2026-03-01T12:00:00.0001Z"}, "finer than the unit"),
        ({"user_id": 7}, "orders.user_id: expected string, got 7"),
        ({"user_id": None}, "orders.user_id: expected string, got None"),
        ({"lines": {}}, "orders.lines: expected array of record"),
        ({"lines": [{"product_id": "p"}]}, "orders.lines[0].category: missing, expected string"),
        ({"price": 1}, "orders: no field 'price' in headrace.events.OrderEvent; it has event_id"),
    ],
)
def test_errors_name_path_value_and_type(change: dict[str, Any], error: str) -> None:
    with pytest.raises(EncodeError) as caught:
        Encoder(REGISTRY, "orders").encode(ORDER | change)
    assert error in str(caught.value)


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(EncodeError, match=r"orders\.user_id: missing, expected string"):
        Encoder(REGISTRY, "orders").encode({k: v for k, v in ORDER.items() if k != "user_id"})


@given(st.integers(0, 2**32))
def test_decoded_rows_survive_json(seed: int) -> None:
    """Any record: decode, to JSON text and back, encode: the same row comes out."""
    maker = cases.Maker(Random(seed))
    spec = maker.record()
    registry = cases.registry(spec)
    codec, encoder = Codec(registry, "case"), Encoder(registry, "case")
    values = [cases.encode(spec, maker.value(spec)) for _ in range(5)]
    before = codec.decode(cases.block(values))

    texts = [json.dumps(encoder.to_json(row)) for row in before.df.to_dicts()]
    after = codec.decode(cases.block([encoder.encode(json.loads(text)) for text in texts]))

    assert after.bad == []
    assert [cases.comparable(row) for row in after.df.to_dicts()] == [
        cases.comparable(row) for row in before.df.to_dicts()
    ]
