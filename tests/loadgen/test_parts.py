"""The vectorised pieces against the plain ones."""

from __future__ import annotations

import io
import zlib
from decimal import Decimal

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.agenda import Agenda
from loadgen.avro import Writer
from loadgen.ledger.crc import crc32
from loadgen.ledger.sketch import GAMMA, buckets
from loadgen.murmur import murmur2, partitions_of
from loadgen.rows import DTYPES, FLAGS
from loadgen.text import numbered, strings, traces, ulids

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize(
    ("key", "expected"),  # from Kafka's own UtilsTest.testMurmur2
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(key: bytes, expected: int) -> None:
    found = murmur2(np.frombuffer(key, np.uint8).reshape(1, -1))
    assert int(found.view(np.int32)[0]) == expected
    assert partitions_of([b"x", key], 7)[1] == (expected & 0x7FFFFFFF) % 7


@given(st.lists(st.binary(min_size=26, max_size=26), min_size=1, max_size=20))
def test_crc_is_zlibs(rows: list[bytes]) -> None:
    matrix = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 26)
    assert crc32(matrix).tolist() == [zlib.crc32(row) for row in rows]


@given(
    st.lists(
        st.tuples(
            st.integers(0, (1 << 48) - 1),
            st.integers(0, (1 << 16) - 1),
            st.integers(0, (1 << 64) - 1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_ulids_are_the_number_in_base_32(parts: list[tuple[int, int, int]]) -> None:
    at, high, low = zip(*parts, strict=True)
    found = ulids(np.array(at), np.array(high, np.uint16), np.array(low, np.uint64))
    for text, (a, h, lo) in zip(strings(found), parts, strict=True):
        number = 0
        for letter in text:
            number = number * 32 + CROCKFORD.index(letter)
        assert number == (a << 80) | (h << 64) | lo


def test_numbers_and_traces_are_text() -> None:
    assert strings(numbered("o", np.array([0, 1234567890]), 10)) == ["o0000000000", "o1234567890"]
    (trace,) = strings(traces(np.array([12345], np.uint64)))
    assert len(trace) == 32
    assert int(trace, 16) > 0


@given(
    st.lists(
        st.tuples(st.integers(0, (1 << 47) - 1), st.integers(0, (1 << 47) - 1), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_integers_decimals_and_unions_are_fastavros(rows: list[tuple[int, int, bool]]) -> None:
    longs, cents, present = (np.array(column) for column in zip(*rows, strict=True))
    writer = Writer(len(rows), 40)
    writer.integer(longs, 8)
    writer.optional(present)
    writer.decimal(cents, present)
    money = {"type": "bytes", "logicalType": "decimal", "precision": 16, "scale": 0}
    contract = fastavro.parse_schema(
        {
            "type": "record",
            "name": "r",
            "fields": [{"name": "n", "type": "long"}, {"name": "d", "type": ["null", money]}],
        }
    )
    for raw, (n, d, there) in zip(writer.records(), rows, strict=True):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, contract, {"n": n, "d": Decimal(d) if there else None})
        assert raw == out.getvalue()


def test_a_number_too_long_for_its_slot_is_refused() -> None:
    with pytest.raises(OverflowError, match="1000000"):
        Writer(1, 10).integer(np.array([1_000_000]), 2)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50))
def test_a_bucket_is_within_one_percent(values: list[int]) -> None:
    for value, bucket in zip(values, buckets(np.array(values)).tolist(), strict=True):
        estimate = 2 * GAMMA**bucket / (1 + GAMMA)
        assert abs(estimate - value) <= 0.010_000_1 * value


@given(st.lists(st.integers(0, 999), max_size=60))
def test_an_agenda_gives_back_every_row_in_its_window(sends: list[int]) -> None:
    agenda = Agenda(FLAGS, 100)
    rows = np.zeros(len(sends), DTYPES[FLAGS])
    rows["send"] = sends
    rows["user"] = np.arange(len(sends))
    agenda.add(rows[::2])
    agenda.add(rows[1::2])
    found = {window: agenda.take(window)["user"].tolist() for window in range(10)}
    for window, users in found.items():
        assert sorted(users) == [i for i, s in enumerate(sends) if s // 100 == window]
        assert not len(agenda.take(window))
