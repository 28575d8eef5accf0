"""Reading with another schema than the writer's gives what fastavro gives."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.schema import Codec
from headrace.schema.verdict import objections
from tests.schema import cases


def outcome(writer: Any, value: bytes, reader: Any) -> tuple[str, Any]:
    try:
        return "good", cases.read(writer, value, reader)
    except Exception:  # fastavro raises many kinds, KeyError and IndexError among them
        return "bad", None


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_resolution_is_fastavros(seed: int, count: int) -> None:
    maker = cases.Maker(Random(seed))
    writer = maker.record()
    reader = maker.evolved_plain(writer)
    values = [cases.encode(writer, maker.value(writer)) for _ in range(count)]
    registry = cases.registry(writer, reader)
    codec = Codec(registry, "case")

    frame = codec.decode(cases.block(values))

    reasons = {item.index: item.reason for item in frame.bad}
    rows = iter(frame.df.to_dicts())
    for i, value in enumerate(values):
        if "can't be read as" in reasons.get(i, ""):
            # A type is refused as such; fastavro lets pass, say, an empty list of it.
            assert objections(*registry.versions("case"))
            continue
        got = ("bad", None) if i in reasons else ("good", cases.row(codec.schema.type, next(rows)))
        assert got == outcome(writer, value, reader), reasons.get(i)
