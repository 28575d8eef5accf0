"""A table with a field of every type that expressions use, and random expressions over it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
from hypothesis import strategies as st

from headrace.schema.registry import AvroSchema, parse

TOPIC = "cases"
_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
_WIDE = {"type": "bytes", "logicalType": "decimal", "precision": 22, "scale": 6}
_TYPES: dict[str, Any] = {
    "n": "int",
    "m": "long",
    "x": "float",
    "y": "double",
    "s": "string",
    "place": {"type": "enum", "name": "Place", "symbols": ["DE", "FR", "nowhere"]},
    "money": _MONEY,
    "wide": _WIDE,
    "flag": "boolean",
    "at": {"type": "long", "logicalType": "timestamp-millis"},
    "seen": {"type": "long", "logicalType": "timestamp-micros"},
}
#: Each type once as it is, and once (``…0``) never null.
SPEC = {
    "type": "record",
    "name": "Case",
    "fields": [
        {"name": "id", "type": "string"},
        *({"name": name, "type": ["null", kind]} for name, kind in _TYPES.items()),
        *(
            {"name": f"{name}0", "type": kind if name != "place" else {**kind, "name": "Place0"}}
            for name, kind in _TYPES.items()
        ),
        {"name": "list", "type": {"type": "array", "items": "int"}},
    ],
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def schema() -> AvroSchema:
    return parse("case", json.dumps(SPEC), 1, 1)


def project(folder: Path, database: str) -> None:
    """A project with this schema, and a table of its topic."""
    (folder / "schemas").mkdir(parents=True)
    (folder / "schemas" / "case.avsc").write_text(json.dumps(SPEC))
    topology = {
        "version": 1,
        "name": database,
        "topics": {TOPIC: {"schema": "case", "key": "id"}},
        "agents": {"a": {"function": "m:f", "reads": [TOPIC], "writes": {"tables": [TOPIC]}}},
        "clickhouse": {
            "database": database,
            "tables": {TOPIC: {"topic": TOPIC, "order_by": ["id"]}},
        },
    }
    (folder / "topology.yaml").write_text(json.dumps(topology))


def _value(kind: str, random: Random) -> Any:  # noqa: PLR0911 - one each
    match kind:
        case "n":
            return random.choice([0, 1, -1, 7, 2**31 - 1, -(2**31), random.randint(-99, 99)])
        case "m":
            return random.choice([0, 3, -7, 2**63 - 1, -(2**63), random.randint(-(10**12), 10**12)])
        case "x" | "y":
            some = [0.0, -0.0, 1.5, -2.25, math.nan, math.inf, -math.inf, random.uniform(-9, 9)]
            return random.choice(some)
        case "s":
            return random.choice(["", "a", "ab", "DE", "é", "b'\\", "10", "a\nb"])
        case "place":
            return random.choice(["DE", "FR", "nowhere"])
        case "money":
            return Decimal(random.choice([0, 1, 100, -250, 99_999_999, -99_999_999])).scaleb(-2)
        case "wide":
            return Decimal(random.choice([0, 1, 10**6, -(10**22) + 1, 10**22 - 1, 5])).scaleb(-6)
        case "flag":
            return random.choice([True, False])
    ms = random.choice([0, 1_767_225_600_000, 1_767_225_600_001, 4_000_000_000_000])
    return _EPOCH + timedelta(milliseconds=ms)


def rows(count: int = 150) -> pl.DataFrame:
    """Rows with all extremes, a third of the values null."""
    random = Random(11)
    dtypes = {column.name: column.dtype for column in schema()}
    made = []
    for i in range(count):
        row: dict[str, Any] = {"id": str(i), "list": [1] * random.randint(0, 3)}
        for name in _TYPES:
            row[name] = None if random.random() < 0.3 else _value(name, random)
            row[f"{name}0"] = _value(name, random)
        made.append(row)
    frame = pl.DataFrame(made, schema=dtypes, strict=False)
    return frame.with_columns(
        pl.lit(0, pl.Int32).alias("_partition"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("_offset"),
    )


Texts = st.SearchStrategy[str]


def _joined(parts: Texts, signs: list[str]) -> Texts:
    return st.builds(lambda a, sign, b: f"({a} {sign} {b})", parts, st.sampled_from(signs), parts)


_ORDER = ["=", "<>", "<", "<=", ">", ">="]
_divided = st.builds(
    lambda a, sign, by: f"({a} {sign} {by})",
    st.sampled_from(["n", "m", "m0", "n0"]),
    st.sampled_from(["//", "%"]),
    st.sampled_from([1, 2, 3, 10, 2**31]),
)
_floats = st.sampled_from(
    ["x", "x0", "y", "y0", "0.5e0", "CAST(n AS DOUBLE)", "CAST(money0 AS DOUBLE)",
     "(n / 3)", "(x / y0)", "(y0 / 7)", "(m0 / n)"]
)  # fmt: skip
_ints = st.sampled_from(["n", "n0", "m", "m0", "0", "-3", "LENGTH(s)", "LENGTH(place0)",
                         "ARRAY_LENGTH(list)", "(at - at0)", "(seen0 - seen)"])  # fmt: skip
_ints = _ints | _divided | _joined(_ints | _divided, ["+", "-", "*"])
_decimals = st.sampled_from(["money", "money0", "wide", "wide0", "0.05", "-12.345678"])
_decimals = _decimals | _joined(_decimals | st.sampled_from(["n", "n0", "2"]), ["+", "-", "*"])
_floats = _floats | _joined(_floats, ["+", "-", "*", "/"])
_texts = st.sampled_from(["s", "s0", "place", "place0", "'a'", "'b''\\'", "CAST(n AS VARCHAR)"])
_texts = _texts | st.builds(lambda a, b: f"({a} || {b})", _texts, _texts)
_times = st.sampled_from(["at", "at0"]) | st.just("at0")


def _either_of(
    parts: st.SearchStrategy[str], test: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.one_of(
        parts,
        st.builds(lambda a, b: f"COALESCE({a}, {b})", parts, parts),
        st.builds(lambda t, a, b: f"CASE WHEN {t} THEN {a} ELSE {b} END", test, parts, parts),
        st.builds(lambda t, a: f"CASE WHEN {t} THEN {a} END", test, parts),
        st.builds(lambda a, b: f"NULLIF({a}, {b})", parts, parts),
    )  # fmt: skip


_tests = st.one_of(
    *(_joined(parts, _ORDER) for parts in (_ints, _decimals, _floats, _texts, _times)),
    st.sampled_from(
        ["flag", "flag0", "true", "place = 'DE'", "place0 <> 'FR'", "place0 IN ('nowhere')",
         "at0 >= '2026-01-01T00:00:00Z'", "seen < '2026-01-01'", "STARTS_WITH(s, 'a')",
         "s LIKE 'b%'", "s NOT IN ('a', '10')", "place IN ('DE', 'FR')", "m IN (0, 3)",
         "n BETWEEN -1 AND 7", "money IN (1, 2.5, -2.5)", "x IN (1.5e0, 0e0)", "y IS NULL",
         "wide IS NOT NULL"]
    ),
)  # fmt: skip
_tests = st.recursive(
    _tests,
    lambda inner: st.one_of(
        _joined(inner, ["AND", "OR"]),
        inner.map(lambda t: f"(NOT {t})"),
        inner.map(lambda t: f"({t} IS NULL)"),
    ),
    max_leaves=4,
)
expressions = st.one_of(
    _tests, *(_either_of(parts, _tests) for parts in (_ints, _decimals, _floats, _texts, _times))
)
