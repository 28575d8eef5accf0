from __future__ import annotations

import json
from typing import Any

import pytest

from headrace.schema.compatibility import Incompatible, Level, faults, require
from headrace.schema.registry import AvroSchema, parse
from headrace.schema.verdict import objections

BASE: list[Any] = [{"name": "id", "type": "string"}]
OPTIONAL = {"name": "note", "type": ["null", "string"], "default": None}
REQUIRED = {"name": "note", "type": "string"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12}


def schema(*fields: Any, version: int = 1) -> AvroSchema:
    spec = {"type": "record", "name": "Event", "namespace": "shop", "fields": list(fields)}
    return parse("event", json.dumps(spec), version, version)


def enum(*symbols: str, **more: Any) -> Any:
    return {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": symbols, **more}}


#: The change, and which of (new readers, old readers) it breaks.
CHANGES = [
    pytest.param(BASE, [*BASE, OPTIONAL], (False, False), id="optional field added"),
    pytest.param(BASE, [*BASE, REQUIRED], (True, False), id="required field added"),
    pytest.param([*BASE, REQUIRED], BASE, (False, True), id="required field removed"),
    pytest.param([*BASE, OPTIONAL], BASE, (False, False), id="optional field removed"),
    pytest.param(
        [{"name": "n", "type": "int"}], [{"name": "n", "type": "long"}], (False, True), id="widened"
    ),
    pytest.param(
        [{"name": "n", "type": "long"}], [{"name": "n", "type": "int"}], (True, False), id="cut"
    ),
    pytest.param([enum("A")], [enum("A", "B")], (False, True), id="symbol added"),
    pytest.param([enum("A", "B")], [enum("A")], (True, False), id="symbol removed"),
    pytest.param(
        [enum("A", default="A")], [enum("A", "B", default="A")], (False, False),
        id="symbol added beside a default",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "broken"), CHANGES)
@pytest.mark.parametrize("level", Level)
def test_each_level_refuses_what_it_is_about(
    level: Level, old: list[Any], new: list[Any], broken: tuple[bool, bool]
) -> None:
    new_readers, old_readers = broken
    found = faults(schema(*new, version=2), [schema(*old)], level)
    expected = (level.backward and new_readers) or (level.forward and old_readers)
    assert bool(found) == expected, found


@pytest.mark.parametrize("level", Level)
def test_only_transitive_levels_look_past_the_last_version(level: Level) -> None:
    """Version 1 has a number where version 3 has text; version 2 has neither."""
    first = schema(*BASE, {"name": "n", "type": "int", "default": 0})
    second = schema(*BASE, version=2)
    third = schema(*BASE, {"name": "n", "type": "string", "default": ""}, version=3)
    assert bool(faults(third, [first, second], level)) == level.transitive


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            {"name": "lines", "type": {"type": "array", "items": {
                "type": "record", "name": "Line", "fields": [{"name": "n", "type": "string"}]}}},
            {"name": "lines", "type": {"type": "array", "items": {
                "type": "record", "name": "Line", "fields": [{"name": "n", "type": "int"}]}}},
            "field 'lines[].n' is string for the writer and can't be read as int; keep the type",
        ),
        (
            {"name": "m", "type": {"type": "map", "values": ["null", "long"]}},
            {"name": "m", "type": {"type": "map", "values": "long"}},
            "field 'm{}' is null for the writer and can't be read as long",
        ),
        (
            {"name": "x", "type": {"type": "fixed", "name": "Key", "size": 4}},
            {"name": "x", "type": {"type": "fixed", "name": "Hash", "size": 4}},
            'keep the name, or give the reader\'s "aliases": ["shop.Key"]',
        ),
        (
            {"name": "total", "type": {**MONEY, "scale": 2}},
            {"name": "total", "type": {**MONEY, "scale": 4}},
            "is decimal(12, 2) for the writer and can't be read as decimal(12, 4)",
        ),
        (
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            "is timestamp-millis for the writer and can't be read as timestamp-micros",
        ),
    ],
)  # fmt: skip
def test_the_text_names_the_field_and_a_safe_change(old: Any, new: Any, text: str) -> None:
    with pytest.raises(Incompatible) as caught:
        require(schema(new, version=2), [schema(old)], Level.BACKWARD)
    assert text in str(caught.value)
    assert "readers with version 2 can't read records of version 1" in str(caught.value)


def test_a_schema_inside_itself_is_compared_once() -> None:
    def tree(kind: str) -> Any:
        node = {"type": "record", "name": "Node", "fields": [
            {"name": "n", "type": kind}, {"name": "next", "type": ["null", "Node"]}]}  # fmt: skip
        return {"name": "root", "type": node}

    assert faults(schema(tree("long"), version=2), [schema(tree("int"))], Level.BACKWARD) == []
    found = faults(schema(tree("int"), version=2), [schema(tree("long"))], Level.BACKWARD)
    assert ["root.n" in fault for fault in found] == [True]


def test_fields_that_name_each_other_many_times_do_not_take_long() -> None:
    """Each record has two fields of the next one: 2^40 paths."""

    def nested(depth: int, kind: str) -> Any:
        if depth == 0:
            return {"type": "record", "name": "R0", "fields": [{"name": "n", "type": kind}]}
        inner = nested(depth - 1, kind)
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"R{depth - 1}"}]
        return {"type": "record", "name": f"R{depth}", "fields": fields}

    old = schema({"name": "r", "type": nested(40, "int")})
    new = schema({"name": "r", "type": nested(40, "long")}, version=2)
    assert faults(new, [old], Level.BACKWARD) == []


def test_a_verdict_that_leaned_on_a_pair_which_fails_is_not_believed() -> None:
    """B was compared inside of A, as if A could be read; Avro's checker still says it can."""

    def union(kind: str, *more: Any) -> Any:
        inner = {"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}
        fields = [{"name": "b", "type": inner}, {"name": "v", "type": kind}]
        return {"name": "u", "type": [{"type": "record", "name": "A", "fields": fields}, *more]}

    other = {"type": "record", "name": "A2", "aliases": ["A"], "fields": []}
    old = schema(union("long", "null"), {"name": "b2", "type": "B"})
    new = schema(union("int", other, "null"), {"name": "b2", "type": "B"}, version=2)
    assert objections(old, new) == []
    found = faults(new, [old], Level.BACKWARD)
    assert ["'b2.a.v' is long" in fault for fault in found] == [True]


def test_short_aliases_are_of_the_types_namespace() -> None:
    """Avro's checker alone takes them for names without a namespace, and refuses."""

    def hashed(name: str, **more: Any) -> Any:
        return {"name": "x", "type": {"type": "fixed", "name": name, "size": 4, **more}}

    new = schema(hashed("Hash", aliases=["Key"]), version=2)
    assert faults(new, [schema(hashed("Key"))], Level.BACKWARD) == []
