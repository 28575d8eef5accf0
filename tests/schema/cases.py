"""Random Avro schemas, records and reader schemas; and decoded values made comparable."""

from __future__ import annotations

import io
import json
import math
import string
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import numpy as np

from headrace.block import Block
from headrace.frame import Frame
from headrace.schema import Codec, Registry
from headrace.schema.framing import frame
from headrace.schema.registry import parse
from headrace.schema.types import Type, Union, branch_names

ROOT = Path(__file__).parents[2]
LOGICAL: list[dict[str, Any]] = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10},
]
PLAIN = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
PLAIN_WEIGHTS = [1, 2, 3, 3, 2, 2, 2, 6]
WORDS = [
    "",
    "a",
    "word",
    "twelve bytes",
    "thirteen byte",
    "ünï",
    "日本語テキスト",
    "x" * 63,
    "y" * 64,
]


def registry(*versions: Any, name: str = "case") -> Registry:
    """A registry of one schema with the given versions; ids count from 1."""
    schemas = [parse(name, json.dumps(spec), i, i) for i, spec in enumerate(versions, 1)]
    return Registry({name: schemas})


def block(values: Sequence[bytes | None], first: int = 100) -> Block:
    n = len(values)
    offsets = np.arange(first, first + n)
    times = np.zeros(n, np.int64)
    return Block("topic", 3, first, first + max(n - 1, 0), values, offsets, times, [None] * n)


def encode(spec: Any, record: Any, schema_id: int = 1) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(spec), record)
    return frame(schema_id, out.getvalue())


def decode(values: Sequence[bytes | None], *versions: Any, columns: Any = None) -> Frame:
    """Decode as the last version; the values' ids name the versions, from 1."""
    return Codec(registry(*versions), "case", columns).decode(block(values))


# -- schemas ------------------------------------------------------------------------------------


class Maker:
    """Makes random schemas and records; everything follows from the seed."""

    def __init__(self, rnd: Random) -> None:
        self.rnd = rnd
        self._names = 0

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def record(self, depth: int = 0) -> dict[str, Any]:
        count = self.rnd.randint(0 if depth else 1, 6 - depth)
        fields = [{"name": self.name("f"), "type": self.type(depth)} for _ in range(count)]
        return {"type": "record", "name": self.name("R"), "fields": fields}

    def type(self, depth: int, *, union: bool = True) -> Any:  # noqa: PLR0911 - a return for each kind
        kinds = ["plain"] * 6 + ["logical"] * 3 + ["enum", "fixed"]
        if depth < 3:
            kinds += ["array", "map", "record"] + ["optional", "optional", "union"] * union
        match self.rnd.choice(kinds):
            case "plain":
                return self.rnd.choices(PLAIN, PLAIN_WEIGHTS)[0]
            case "logical":
                return dict(self.rnd.choice(LOGICAL))
            case "enum":
                symbols = list(string.ascii_uppercase[: self.rnd.randint(1, 5)])
                return {"type": "enum", "name": self.name("E"), "symbols": symbols}
            case "fixed":
                fixed = {"type": "fixed", "name": self.name("X"), "size": self.rnd.randint(1, 20)}
                if self.rnd.random() < 0.4:
                    digits = {"precision": min(2 * fixed["size"], 38), "scale": 1}
                    fixed |= {"logicalType": "decimal", **digits}
                return fixed
            case "array":
                return {"type": "array", "items": self.type(depth + 1)}
            case "map":
                return {"type": "map", "values": self.type(depth + 1)}
            case "record":
                return self.record(depth + 1)
            case "optional":
                branches = ["null", self._unlike_null(depth)]
                return branches if self.rnd.random() < 0.8 else branches[::-1]
            case _:
                return self._union(depth)

    def _unlike_null(self, depth: int) -> Any:
        while (made := self.type(depth + 1, union=False)) == "null":
            pass
        return made

    def _union(self, depth: int) -> list[Any]:
        choices: list[Any] = [
            "null",
            "boolean",
            self.rnd.choice(["int", "long"]),
            self.rnd.choice(["string", "bytes"]),
            self.rnd.choice(["float", "double"]),
            {"type": "array", "items": self.type(depth + 2)},
            self.record(depth + 2),
        ]
        return self.rnd.sample(choices, self.rnd.randint(2, 4))

    # -- records --------------------------------------------------------------------------------

    def value(self, spec: Any) -> Any:  # noqa: PLR0911, PLR0912 - a return for each kind
        """A value as fastavro writes it."""
        rnd = self.rnd
        if isinstance(spec, list):
            return self._branch(spec)
        if isinstance(spec, dict) and "logicalType" in spec:
            return self._logical(spec)
        kind = spec if isinstance(spec, str) else spec["type"]
        match kind:
            case "null":
                return None
            case "boolean":
                return rnd.random() < 0.5
            case "int":
                return self._integer(31)
            case "long":
                return self._integer(63)
            case "float":
                return float(np.float32(rnd.choice([0.0, -1.5, math.inf, rnd.gauss(0, 1e5)])))
            case "double":
                return rnd.choice([0.0, -1.5, -math.inf, rnd.gauss(0, 1e5)])
            case "bytes":
                return rnd.randbytes(rnd.choice([0, 1, 5, 12, 13, 70]))
            case "string":
                return rnd.choice(WORDS) + rnd.choice(WORDS)
            case "fixed":
                return rnd.randbytes(spec["size"])
            case "enum":
                return rnd.choice(spec["symbols"])
            case "array":
                return [self.value(spec["items"]) for _ in range(rnd.choice([0, 0, 1, 2, 5]))]
            case "map":
                keys = [rnd.choice(WORDS) for _ in range(rnd.choice([0, 1, 3]))]
                return {key: self.value(spec["values"]) for key in keys}
            case _:
                return {f["name"]: self.value(f["type"]) for f in spec["fields"]}

    def _branch(self, spec: list[Any]) -> Any:
        branch = self.rnd.choice(spec)
        value = self.value(branch)
        if isinstance(branch, dict) and branch["type"] == "record":
            return (branch["name"], value)
        return value

    def _integer(self, bits: int) -> int:
        size = self.rnd.randint(0, bits)
        value = self.rnd.getrandbits(size) if size else 0
        return -value - 1 if self.rnd.random() < 0.3 else value

    def _logical(self, spec: Any) -> Any:
        rnd = self.rnd
        name = spec["logicalType"]
        if name == "decimal":
            limit = 10 ** rnd.randint(0, spec["precision"]) - 1
            if spec["type"] == "fixed":
                limit = min(limit, 2 ** (8 * spec["size"] - 1) - 1)
            unscaled = rnd.randint(-limit, limit)
            return (
                Decimal(unscaled).scaleb(-spec["scale"])
                if abs(unscaled) < 10**28
                else _exact(unscaled, spec["scale"])
            )
        micros = rnd.randrange(86_400_000_000)
        if "millis" in name:
            micros = micros // 1000 * 1000
        since = timedelta(microseconds=micros)
        if name == "date":
            return date(1970, 1, 1) + timedelta(days=rnd.randint(-200_000, 200_000))
        if name.startswith("time-"):
            return (datetime(2000, 1, 1) + since).time()
        moment = (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=rnd.randint(-9999, 99_999)) + since
        )
        return moment.replace(tzinfo=None) if name.startswith("local") else moment

    # -- readers --------------------------------------------------------------------------------

    def evolved(self, spec: Any) -> Any:
        """A reader schema for what was written with ``spec``: often one that can read it."""
        rnd = self.rnd
        if isinstance(spec, list):
            branches = [b if b == "null" else self.evolved_plain(b) for b in spec]
            if rnd.random() < 0.2 and len(branches) == 2 and "null" in branches:
                return next(branch for branch in branches if branch != "null")
            kinds = [b if isinstance(b, str) else b.get("name", b["type"]) for b in branches]
            return branches if len(set(kinds)) == len(kinds) else spec  # a union has no twins
        if spec != "null" and rnd.random() < 0.15:
            return ["null", self.evolved_plain(spec)]
        return self.evolved_plain(spec)

    def evolved_plain(self, spec: Any) -> Any:  # noqa: PLR0911 - a return for each kind
        rnd = self.rnd
        if isinstance(spec, str):
            wider = {
                "int": ["int", "long", "float", "double"],
                "long": ["long", "float", "double"],
                "float": ["float", "double"],
                "string": ["string", "bytes"],
                "bytes": ["bytes"],
            }
            return rnd.choice(wider.get(spec, [spec])) if rnd.random() < 0.5 else spec
        if "logicalType" in spec:
            return spec
        match spec["type"]:
            case "fixed":
                return self._renamed(spec) if rnd.random() < 0.9 else spec | {"size": 21}
            case "array":
                return {**spec, "items": self.evolved(spec["items"])}
            case "map":
                return {**spec, "values": self.evolved(spec["values"])}
            case "enum":
                return self._evolved_enum(spec)
            case "record":
                return self._evolved_record(spec)
        return spec

    def _evolved_enum(self, spec: Any) -> Any:
        symbols = [*spec["symbols"], "NEW"]
        self.rnd.shuffle(symbols)
        if self.rnd.random() < 0.3:
            symbols.pop()
        evolved = self._renamed(spec) | {"symbols": symbols}
        if self.rnd.random() < 0.5:
            evolved["default"] = symbols[0]
        return evolved

    def _evolved_record(self, spec: Any) -> Any:
        fields = []
        for field in spec["fields"]:
            chance = self.rnd.random()
            if chance < 0.15:
                continue
            evolved = {**field, "type": self.evolved(field["type"])}
            # Mostly what can't be read as that. fastavro reads a date as a date, though, also where
            # the reader's schema says it is a plain int.
            if self.rnd.random() < 0.02 and "logicalType" not in json.dumps(field["type"]):
                evolved["type"] = self.rnd.choice(PLAIN)
            if chance < 0.3:
                evolved |= {"name": self.name("renamed"), "aliases": [field["name"]]}
            fields.append(evolved)
        fields += [
            {"name": self.name("new"), "type": type_, "default": default}
            for type_, default in self._added()
            if self.rnd.random() < 0.15
        ]
        if not fields:
            fields = [{"name": self.name("new"), "type": ["null", "string"], "default": None}]
        self.rnd.shuffle(fields)
        return self._renamed(spec) | {"fields": fields}

    def _added(self) -> list[tuple[Any, Any]]:
        """Types of new fields, with a default each."""
        inner = {"name": self.name("f"), "type": "int"}
        other = {"name": self.name("f"), "type": ["string", "null"], "default": "inner"}
        return [
            ("string", "default text of some length"),
            ("int", 7),
            ("double", -0.5),
            (["boolean", "null"], True),
            ({"type": "array", "items": "long"}, [1, 2]),
            ({"type": "map", "values": ["null", "string"]}, {"key": None}),
            ({"type": "enum", "name": self.name("E"), "symbols": ["A", "B"]}, "B"),
            (
                {"type": "record", "name": self.name("R"), "fields": [inner, other]},
                {inner["name"]: 3, other["name"]: "given"},
            ),
        ]

    def _renamed(self, spec: Any) -> Any:
        """Sometimes under another name, mostly with the old one as its alias."""
        chance = self.rnd.random()
        if chance > 0.1:
            return dict(spec)
        aliases = {"aliases": [spec["name"]]} if chance > 0.02 else {}
        return {**spec, "name": self.name("Renamed"), **aliases}


def _exact(unscaled: int, scale: int) -> Decimal:
    sign, digits = int(unscaled < 0), tuple(map(int, str(abs(unscaled))))
    return Decimal((sign, digits, -scale))


# -- comparison ---------------------------------------------------------------------------------


def row(type_: Type, value: Any) -> Any:  # noqa: PLR0911 - a return for each kind
    """A value out of Polars, as fastavro would give it, in a form with a total equality."""
    if value is None:
        return None
    match type_.kind:
        case "record":
            return {f.name: row(f.type, value[f.name]) for f in type_.fields}  # type: ignore[union-attr]
        case "array":
            return [row(type_.items, item) for item in value]  # type: ignore[union-attr]
        case "map":
            return {e["key"]: row(type_.values, e["value"]) for e in value}  # type: ignore[union-attr]
        case "union":
            assert isinstance(type_, Union)
            if len(type_.values) < 2:
                return row(type_.values[0], value)
            named = zip(branch_names(type_), type_.values, strict=True)
            found = [row(branch, value[n]) for n, branch in named if value[n] is not None]
            assert len(found) == 1
            return found[0]
    return comparable(value)


def comparable(value: Any) -> Any:
    """``value`` with floats as 32-bit text (NaN equals itself) and decimals as integers."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            return f"float {np.float32(value)}"
    if isinstance(value, time | datetime | date | Decimal):
        return str(value if not isinstance(value, Decimal) else value.normalize())
    return value


def read(writer: Any, value: bytes, reader: Any = None) -> Any:
    """What fastavro makes of a framed value; raises if it is refused or not used up."""
    body = io.BytesIO(value[5:])
    parsed = None if reader is None else fastavro.parse_schema(reader)
    result = fastavro.schemaless_reader(body, fastavro.parse_schema(writer), parsed)
    if body.tell() != len(value) - 5:
        raise ValueError("bytes are left over")
    return comparable(result)
