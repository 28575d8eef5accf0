"""The gate's verdict is the avro package's, and what it lets pass is read whole."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from headrace.schema import Codec
from headrace.schema.breaks import breaks
from headrace.schema.compatibility import Level, faults
from headrace.schema.registry import parse
from headrace.schema.verdict import objections
from tests.schema import cases


@given(st.integers(0, 2**32))
def test_the_verdict_is_the_avro_packages(seed: int) -> None:
    maker = cases.Maker(Random(seed))
    one = maker.record()
    other = maker.evolved_plain(one)
    old, new = (parse("case", json.dumps(spec), i, i) for i, spec in enumerate((one, other), 1))

    for writer, reader, level in ((old, new, Level.BACKWARD), (new, old, Level.FORWARD)):
        refused = bool(objections(writer, reader))
        assert bool(breaks(writer.type, reader.type)) == refused
        assert bool(faults(new, [old], level)) == refused


@given(st.integers(0, 2**32))
def test_what_is_compatible_is_read_whole(seed: int) -> None:
    maker = cases.Maker(Random(seed))
    writer = maker.record()
    reader = maker.evolved_plain(writer)
    registry = cases.registry(writer, reader)
    old, new = registry.versions("case")
    if faults(new, [old], Level.BACKWARD):
        return
    values = [cases.encode(writer, maker.value(writer)) for _ in range(10)]

    bad = Codec(registry, "case").decode(cases.block(values)).bad
    # Avro lets bytes be read as a string, which only some bytes can be.
    assert [one for one in bad if "is not UTF-8" not in one.reason] == []
