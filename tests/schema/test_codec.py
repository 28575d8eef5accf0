"""The codec on single, pointed cases; ``tests/properties`` covers the breadth."""

from __future__ import annotations

import threading
import tracemalloc
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from headrace.errors import ConfigError
from headrace.schema import Codec, Encoder, Registry, utf8
from headrace.schema import codec as codec_module
from headrace.schema.framing import frame
from headrace.schema.writing import varint
from tests.schema import cases


def record(*fields: tuple[str, Any], name: str = "R") -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": type_} for field, type_ in fields],
    }


def number(value: int) -> bytes:
    out = bytearray()
    varint(out, value)
    return bytes(out)


def only_reason(spec: Any, body: bytes) -> str:
    """Decode ``body`` between two good neighbours: they must stay, and it must be bad."""
    good = cases.Maker(cases.Random(1)).value(spec)
    neighbour = cases.encode(spec, good)
    result = cases.decode([neighbour, frame(1, body), neighbour], spec)
    assert [bad.index for bad in result.bad] == [1]
    assert result.df["_offset"].to_list() == [100, 102]
    assert result.df[0].drop("_offset").equals(result.df[1].drop("_offset"))
    return result.bad[0].reason


STRING = record(("s", "string"))
LONGS = record(("a", {"type": "array", "items": "long"}))


def test_an_empty_block_gives_typed_columns() -> None:
    registry = Registry.load(cases.ROOT)
    result = Codec(registry, "orders").decode(cases.block([]))
    assert result.df.height == 0
    assert result.df.schema["total"] == pl.Decimal(12, 2)
    assert result.df.schema["occurred_at"] == pl.Datetime("ms", "UTC")
    assert isinstance(result.df.schema["lines"], pl.List)
    assert result.df.schema["_partition"] == pl.Int32
    assert result.df.schema["_offset"] == pl.Int64


def test_tombstones_are_neither_good_nor_bad() -> None:
    value = cases.encode(STRING, {"s": "here"})
    result = cases.decode([None, value, None, value], STRING)
    assert result.df["_offset"].to_list() == [101, 103]
    assert result.bad == []
    assert cases.decode([None, None], STRING).df.height == 0


def test_mixed_schema_ids_come_back_in_offset_order() -> None:
    old = record(("s", "string"), ("n", "int"))
    new = record(("n", "long"), ("s", "string"))
    values = [
        cases.encode(old, {"s": f"a longer string {i}", "n": i}, 1)
        if i % 3
        else cases.encode(new, {"s": str(i), "n": i}, 2)
        for i in range(50)
    ]
    result = cases.decode(values, old, new)
    assert result.df["n"].to_list() == list(range(50))
    assert result.df["s"].to_list() == [
        f"a longer string {i}" if i % 3 else str(i) for i in range(50)
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "0 bytes are too short"),
        (b"\0\0\0\0", "4 bytes are too short"),
        (b"\x01\0\0\0\x01\x02a", "the first byte is 0x01, not 0x00"),
        (b"\0\0\0\0\x63\x02a", "schema id 99 is not registered"),
        (b"\0\xff\xff\xff\xff\x02a", "schema id 4294967295 is not registered"),
    ],
)
def test_bad_framing(value: bytes, reason: str) -> None:
    good = cases.encode(STRING, {"s": "a neighbour"})
    result = cases.decode([good, value, good], STRING)
    assert [(bad.index, bad.step) for bad in result.bad] == [(1, "frame")]
    assert reason in result.bad[0].reason
    assert result.df["s"].to_list() == ["a neighbour"] * 2


def test_another_subjects_id_is_bad() -> None:
    registry = Registry.load(cases.ROOT)
    value = frame(registry.latest("payments").id, b"")
    (bad,) = Codec(registry, "orders").decode(cases.block([value])).bad
    assert bad.step == "frame"
    assert bad.reason == "schema id 4 is 'payments' version 1, not a version of 'orders'"


def test_an_unreadable_writer_is_bad_not_an_error() -> None:
    old, new = record(("s", "int")), STRING
    (bad,) = cases.decode([cases.encode(old, {"s": 1}, 1)], old, new).bad
    assert bad.step == "decode"
    assert "field 's': int can't be read as string" in bad.reason


@pytest.mark.parametrize(
    ("spec", "body", "reason"),
    [
        (
            STRING,
            number(2**31 - 1) + b"x",
            "length 2147483647 at byte 5 runs past the end (11 bytes)",
        ),
        (STRING, number(-1), "length -1 at byte 5"),
        (STRING, b"\x02aa", "1 bytes are left over behind byte 7"),
        (STRING, b"", "a number at byte 5 runs past the end"),
        (STRING, b"\x04\xff\xfe", "the string at byte 5 is not UTF-8"),
        (STRING, b"\x06\xed\xa0\x80", "not UTF-8"),  # a surrogate
        (record(("n", "long")), b"\xff" * 10 + b"\x01", "more than 10 bytes"),
        (record(("n", "long")), b"\xff" * 9 + b"\x02", "does not fit 64 bits"),
        (record(("n", "int")), number(2**31), "2147483648 at byte 5 is no 32-bit int"),
        (record(("b", "boolean")), b"\x02", "2 at byte 5 is no boolean"),
        (record(("d", "double")), b"1234567", "8 bytes at byte 5 runs past the end"),
        (record(("u", ["null", "int"])), b"\x04", "branch 2 at byte 5"),
        (record(("u", ["null", "int"])), b"\x01", "branch -1 at byte 5"),
        (LONGS, number(2**31), "2147483648 items at byte 5 run past the end"),
        (LONGS, number(-(2**63)) + b"\x02", "items at byte 5 run past the end"),
        (LONGS, b"\x01\x01\x02\0", "the block at byte 5 has a negative size"),
        (record(("m", {"type": "map", "values": "null"})), number(2**40), "run past the end"),
        (record(("a", {"type": "array", "items": "null"})), number(2**31), "items without bytes"),
        (
            record(("t", {"type": "long", "logicalType": "timestamp-millis"})),
            number(2**62),
            "valid",
        ),
    ],
)
def test_reasons(spec: Any, body: bytes, reason: str) -> None:
    assert reason in only_reason(spec, body)


@pytest.mark.parametrize("symbol", [-1, 2, 2**40])
def test_enum_out_of_range(symbol: int) -> None:
    spec = record(("e", {"type": "enum", "name": "E", "symbols": ["a", "b"]}))
    assert f"{symbol} at byte 5 is no symbol of enum E (0 to 1)" in only_reason(
        spec, number(symbol)
    )


def test_a_decimal_beyond_its_precision_is_bad() -> None:
    spec = record(("d", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}))
    assert "100.00 at byte 5 does not fit decimal(4, 2)" in only_reason(spec, b"\x04\x27\x10")
    edge = [frame(1, b"\x04" + n.to_bytes(2, "big", signed=True)) for n in (9999, -9999)]
    assert cases.decode(edge, spec).df["d"].to_list() == [Decimal("99.99"), Decimal("-99.99")]


def test_decimals_of_every_length() -> None:
    spec = record(("d", {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 0}))
    numbers = [s * (10**p - 1) for p in range(39) for s in (1, -1)]
    raw = []
    for n in numbers:
        for pad in (0, 1, 9, 40):  # sign-extended further than needed
            size = n.bit_length() // 8 + 1 + pad
            raw.append(frame(1, number(size) + n.to_bytes(size, "big", signed=True)))
    raw.append(frame(1, b"\0"))
    result = cases.decode(raw, spec)
    assert result.bad == []
    assert [int(d) for d in result.df["d"]] == [n for n in numbers for _ in range(4)] + [0]


@pytest.mark.parametrize("bits", range(0, 64, 7))
def test_varints_of_every_length(bits: int) -> None:
    near = [n for n in {2**bits, 2**bits - 1, -(2**bits), -(2**bits) - 1} if -(2**63) <= n < 2**63]
    spec = record(("n", "long"), ("m", "long"))
    values = [frame(1, number(a) + number(b)) for a in near for b in (0, *near)]
    assert cases.decode(values, spec).df.rows() == [
        (a, b, 3, 100 + i) for i, (a, b) in enumerate((a, b) for a in near for b in (0, *near))
    ]


def test_overlong_varints_are_read() -> None:
    value = frame(1, b"\x82\x80\x00")  # 1, in three bytes
    assert cases.decode([value], record(("n", "long"))).df["n"].to_list() == [1]


def test_utf8_is_checked_in_every_string_of_a_mixed_block() -> None:
    spec = record(("a", "string"), ("n", "long"), ("b", ["null", "string"]))
    bodies = []
    for i in range(3000):
        text = f"é{i}".encode()
        bodies.append(number(len(text)) + text + number(i * 1000) + b"\x02\x04ab")
    bodies[1234] = b"\x02\xff" + number(5) + b"\x00"
    bodies[2345] = b"\x02a" + number(5) + b"\x02\x04a\xc3"
    result = cases.decode([frame(1, body) for body in bodies], spec)
    assert [bad.index for bad in result.bad] == [1234, 2345]
    assert "field 'b': the string" in result.bad[1].reason
    assert result.df.height == 2998


def test_array_blocks_in_every_form() -> None:
    plain = number(2) + number(7) + number(300) + b"\0"
    sized = number(-2) + number(3) + number(7) + number(300) + b"\0"
    split = number(1) + number(7) + number(-1) + number(2) + number(300) + b"\0"
    values = [frame(1, body) for body in (plain, b"\0", sized, split)]
    assert cases.decode(values, LONGS).df["a"].to_list() == [[7, 300], [], [7, 300], [7, 300]]


def test_a_very_long_array_among_short_ones() -> None:
    values = [cases.encode(LONGS, {"a": list(range(n))}) for n in (3, 100_000, 0, 5)]
    result = cases.decode(values, LONGS)
    assert result.bad == []
    assert result.df["a"].list.len().to_list() == [3, 100_000, 0, 5]
    assert result.df["a"][1].to_list() == list(range(100_000))


def test_embeddings_are_read_whole() -> None:
    spec = record(("v", {"type": "array", "items": "float"}))
    vectors = np.random.default_rng(1).normal(size=(50, 768)).astype(np.float32)
    values = [cases.encode(spec, {"v": vector.tolist()}) for vector in vectors]
    decoded = cases.decode([*values, frame(1, number(2**31))], spec)
    assert len(decoded.bad) == 1
    assert np.array_equal(np.array(decoded.df["v"].to_list(), np.float32), vectors)


def test_claims_of_two_gigabytes_cost_no_memory() -> None:
    nested = record(("a", {"type": "array", "items": {"type": "array", "items": "string"}}))
    claims = [frame(1, number(2**31 - 1) * 4) for _ in range(2000)]
    tracemalloc.start()
    result = cases.decode(claims, nested)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result.bad) == 2000
    assert peak < 20 * 2**20


def test_large_values_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_module, "CHUNK_BYTES", 2**20)
    sizes = [10, 10 * 2**20, 0, 700_000, 700_000, 5]
    values = [cases.encode(STRING, {"s": "x" * size}) for size in sizes]
    values.insert(2, frame(1, b"\x03"))
    result = cases.decode(values, STRING)
    assert result.df["s"].str.len_bytes().to_list() == sizes
    assert result.df["_offset"].to_list() == [100, 101, 103, 104, 105, 106]
    assert [bad.index for bad in result.bad] == [2]


def test_columns_and_unknown_columns() -> None:
    registry = Registry.load(cases.ROOT)
    codec = Codec(registry, "requests", ["status", "route"])
    assert codec.decode(cases.block([])).df.columns == ["route", "status", "_partition", "_offset"]
    with pytest.raises(ConfigError, match="no field 'speed'"):
        Codec(registry, "requests", ["speed"])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_field_of_the_name_goes_before_one_of_the_alias(names: tuple[str, str]) -> None:
    writer = {
        "type": "record",
        "name": "T",
        "fields": [{"name": name, "type": "int"} for name in names],
    }
    field = {"name": "a", "type": "int", "aliases": ["b"]}
    reader = {"type": "record", "name": "T", "fields": [field]}
    value = cases.encode(writer, {"a": 1, "b": 2})
    assert cases.decode([value], writer, reader).df["a"].to_list() == [1]


def test_defaults_aliases_and_enum_defaults() -> None:
    old = record(("e", {"type": "enum", "name": "E", "symbols": ["a", "b", "c"]}), ("x", "int"))
    new = record(("e", {"type": "enum", "name": "E", "symbols": ["b", "z"], "default": "z"}))
    new["fields"] += [
        {"name": "y", "type": "double", "aliases": ["x"]},
        {"name": "money", "type": cases.LOGICAL[6], "default": "\u0001\u0000"},
        {"name": "tags", "type": {"type": "map", "values": "int"}, "default": {"one": 1}},
        {"name": "note", "type": "string", "default": "longer than twelve bytes"},
    ]
    values = [cases.encode(old, {"e": e, "x": i}, 1) for i, e in enumerate("abc")]
    df = cases.decode(values, old, new).df
    assert df["e"].to_list() == ["z", "b", "z"]
    assert df["y"].to_list() == [0.0, 1.0, 2.0]
    assert df["money"].to_list() == [Decimal("2.56")] * 3
    assert df["tags"].to_list() == [[{"key": "one", "value": 1}]] * 3
    assert df["note"].to_list() == ["longer than twelve bytes"] * 3


def test_null_where_the_reader_has_none_is_bad() -> None:
    old, new = record(("s", ["null", "string"])), STRING
    values = [cases.encode(old, {"s": s}, 1) for s in ("a", None, "c")]
    result = cases.decode(values, old, new)
    assert result.df["s"].to_list() == ["a", "c"]
    assert "null can't be read as string" in result.bad[0].reason


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (cases.LOGICAL[6], {**cases.LOGICAL[6], "scale": 3}),
        (cases.LOGICAL[6], {**cases.LOGICAL[6], "precision": 10}),
        (cases.LOGICAL[3], cases.LOGICAL[4]),
    ],
)
def test_what_would_change_values_in_silence_is_refused(there: Any, here: Any) -> None:
    old, new = record(("v", ["null", there])), record(("v", ["null", here]))
    values = [frame(1, b"\x02\x02\x01"), frame(1, b"\x00")]
    result = cases.decode(values, old, new)
    assert [bad.index for bad in result.bad] == [0]
    assert result.df["v"].to_list() == [None]


def test_unions_of_several_types_are_structs() -> None:
    spec = record(("u", ["null", "int", "string"]))
    values = [frame(1, b) for b in (b"\0", b"\x02\x0e", b"\x04\x06abc")]
    df = cases.decode(values, spec).df
    assert df["u"].to_list() == [None, {"int": 7, "string": None}, {"int": None, "string": "abc"}]


TREE = {
    "type": "record",
    "name": "Tree",
    "fields": [
        {"name": "label", "type": "string"},
        {"name": "children", "type": {"type": "array", "items": "Tree"}},
        {"name": "next", "type": ["null", "Tree"], "default": None},
    ],
}


def leaf(label: str, *children: Any, **more: Any) -> dict[str, Any]:
    return {"label": label, "children": list(children), "next": None, **more}


def test_records_inside_themselves_are_json() -> None:
    trees = [
        leaf("a"),
        leaf("b", leaf("c", leaf("d")), leaf("e"), next=leaf("f")),
        leaf("g", next=leaf("h", leaf("i"))),
    ]
    result = cases.decode([cases.encode(TREE, tree) for tree in trees], TREE)
    assert result.bad == []
    for tree, row in zip(trees, result.df.to_dicts(), strict=True):
        assert row["label"] == tree["label"]
        assert [orjson.loads(child) for child in row["children"]] == tree["children"]
        assert (row["next"] and orjson.loads(row["next"])) == tree["next"]
    encoder = Encoder(cases.registry(TREE), "case")
    assert [encoder.to_json(row) for row in result.df.to_dicts()] == trees


def test_endless_recursion_is_bad() -> None:
    spec = record(("next", ["null", "R"]))
    assert "nest deeper than 64" in only_reason(spec, b"\x02" * 1_000_000)


def test_threads_share_a_codec() -> None:
    registry = Registry.load(cases.ROOT)
    schema = registry.latest("sessions")
    made = cases.Maker(cases.Random(3))
    values = [cases.encode(schema.spec, made.value(schema.spec), schema.id) for _ in range(300)]
    codec = Codec(registry, "sessions")
    expected = codec.decode(cases.block(values)).df
    same: list[bool] = []

    def work() -> None:
        same.extend(codec.decode(cases.block(values)).df.equals(expected) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 80


@pytest.mark.parametrize("name", Registry.load(cases.ROOT).names)
def test_good_ascii_records_never_leave_the_quick_path(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flagging a good record, or miscounting high bytes, would only show as slowness."""
    registry = Registry.load(cases.ROOT)
    schema = registry.latest(name)
    maker = cases.Maker(cases.Random(5))
    monkeypatch.setattr(cases, "WORDS", ["", "short", "quite a long string"])
    values = [cases.encode(schema.spec, maker.value(schema.spec), schema.id) for _ in range(500)]

    def unexpected(*_: object) -> None:
        raise AssertionError("the slow path was taken")

    monkeypatch.setattr(codec_module, "Datum", unexpected)
    monkeypatch.setattr(utf8, "_check", unexpected)
    assert Codec(registry, name).decode(cases.block(values)).df.height == 500
