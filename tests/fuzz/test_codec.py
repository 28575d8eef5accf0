"""Any bytes as a record's value: it is good or bad, and its neighbours are as they were."""

from __future__ import annotations

from random import Random

import pytest

from headrace.schema import Codec, Registry
from headrace.testing import project
from tests.fuzz.hunt import SHARE_S, bounded, hunt, kept, mangled
from tests.schema import cases
from tests.strategies import event, line

REGISTRY = Registry.load(cases.ROOT)
ORDERS = project(cases.ROOT)
GOOD = ORDERS.block(
    "shop.orders",
    [event("shop.orders"), event("shop.orders", 1, lines=[line()] * 3, carrier="post")],
).values
CODEC = Codec(REGISTRY, "orders")
ALONE = CODEC.decode(cases.block(GOOD)).df.drop("_offset")
#: Lengths and counts at their limits.
TOKENS = [b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"\x01", b"\x00", b"\x7f" * 4, b"\x80"]
#: Two more schemas, with every kind of node and a record within itself.
SPECS = [cases.Maker(Random(seed)).record() for seed in range(3)]
NULLS = {"type": "array", "items": "null"}
LIST = {
    "type": "record", "name": "List", "fields": [
        {"name": "next", "type": ["null", "List"]}, {"name": "none", "type": NULLS},
        {"name": "map", "type": {"type": "map", "values": NULLS}},
    ],
}  # fmt: skip
OTHERS = [Codec(cases.registry(spec), "case") for spec in (*SPECS, LIST)]


def target(data: bytes) -> None:
    frame = CODEC.decode(cases.block([GOOD[0], data, GOOD[1]]))
    assert [b.index for b in frame.bad] in ([], [1])
    rows = frame.df.drop("_offset")
    assert rows[[0, -1]].equals(ALONE)
    assert len(rows) + len(frame.bad) == 3
    for codec in OTHERS:
        found = codec.decode(cases.block([b"\0\0\0\0\1" + data, data]))
        assert len(found.df) + len(found.bad) == 2


@pytest.mark.parametrize("data", kept("codec"))
def test_kept(data: bytes) -> None:
    bounded(target, data)


@pytest.mark.timeout(SHARE_S + 300)
def test_hunt() -> None:
    hunt(target, mangled([value for value in GOOD if value is not None], TOKENS))
