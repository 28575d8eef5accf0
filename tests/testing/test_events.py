"""Events made of a schema fit it, whatever is in the schema, and reach what they must."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.schema import AvroSchema, Encoder
from headrace.schema.registry import parse
from headrace.testing import project
from headrace.testing.events import SIZE, events_of
from tests.schema import cases

TOPICS = project(cases.ROOT).topology.topics
DECIMAL = {"type": "fixed", "name": "D", "size": 3, "logicalType": "decimal", "precision": 9}
#: Every kind of type once.
FIELDS: dict[str, Any] = {
    **{kind: kind for kind in cases.PLAIN},
    **{f"logical{i}": logical for i, logical in enumerate(cases.LOGICAL)},
    "nanos": {"type": "long", "logicalType": "timestamp-nanos"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "fixed": {"type": "fixed", "name": "F", "size": 5},
    "narrow": DECIMAL,
    "enum": {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    "array": {"type": "array", "items": "int"},
    "map": {"type": "map", "values": "double"},
    "union": ["null", "string", "long", "F"],
}
SELVES = {
    "one": ["null", "R"],
    "all": {"type": "array", "items": "R"},
    "by_name": {"type": "map", "values": "R"},
}


def schema(fields: dict[str, Any]) -> AvroSchema:
    spec = {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": type_} for name, type_ in fields.items()],
    }
    return parse("case", json.dumps(spec), 1, 1)


def fits(one: AvroSchema, event: dict[str, Any]) -> None:
    """It can be encoded and decoded, and nothing of it is set aside."""
    registry = cases.registry(one.spec)
    value = Encoder(registry, "case").encode(event)
    assert len(cases.decode([value], one.spec)) == 1


@pytest.mark.parametrize("fields", [FIELDS, SELVES], ids=["kinds", "selves"])
@settings(max_examples=20)
@given(data=st.data())
def test_events_with_every_kind_of_type_fit(fields: dict[str, Any], data: st.DataObject):
    whole = schema(fields)
    fits(whole, data.draw(events_of(whole)))


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.data())
def test_events_of_any_schema_fit_it(seed: int, data: st.DataObject):
    one = parse("case", json.dumps(cases.Maker(Random(seed)).record()), 1, 1)
    fits(one, data.draw(events_of(one)))


@pytest.mark.parametrize("topic", TOPICS)
@settings(max_examples=10)
@given(data=st.data())
def test_events_of_a_projects_topic_are_events_of_it(topic: str, data: st.DataObject):
    event = data.draw(events_of(project(cases.ROOT).schema(topic)))
    assert project(cases.ROOT).block(topic, [event]).values[0]


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        ("int", lambda v: v < 0),
        (["null", "string"], lambda v: v is None),
        (["null", "string"], lambda v: v is not None and len(v) == 1),
        (["string", "long"], lambda v: "long" in v),
        ({"type": "array", "items": "int"}, lambda v: len(v) == SIZE),
        ({"type": "map", "values": "int"}, lambda v: len(v) > 1),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, lambda v: v == "B"),
        (["null", "R"], lambda v: v == {"f": None}),
        (DECIMAL, lambda v: v.startswith("-")),
    ],
)
def test_values_that_an_agent_must_take_are_made(type_: Any, wanted: Any):
    assert wanted(find(events_of(schema({"f": type_})), lambda event: wanted(event["f"]))["f"])


@settings(max_examples=20)
@given(
    events_of(
        schema(
            {
                "user": "string",
                "lines": {
                    "type": "array",
                    "items": [
                        "null",
                        {
                            "type": "record",
                            "name": "L",
                            "fields": [{"name": "quantity", "type": "int"}],
                        },
                    ],
                },
            }
        ),
        {"user": st.sampled_from(["u1", "u2"]), "lines.quantity": st.just(7)},
    )
)
def test_fields_are_replaced_by_path(event: dict[str, Any]):
    assert event["user"] in ("u1", "u2")
    assert all(line is None or line == {"quantity": 7} for line in event["lines"])


def test_a_field_that_is_none_is_named():
    with pytest.raises(ConfigError, match=r"case: no field 'usr' to replace; there are user"):
        events_of(schema({"user": "string"}), {"usr": st.none()})


def test_a_record_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="holds itself with no end"):
        events_of(schema({"next": "R"}))


def test_a_schemas_file_will_do(tmp_path: Path):
    file = tmp_path / "one.avsc"
    file.write_text(json.dumps(schema({"n": "int"}).spec), encoding="utf-8")
    assert find(events_of(file), lambda _: True) == {"n": 0}


def test_without_hypothesis_only_this_part_is_missing():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import headrace.testing\n"
        "try: import headrace.testing.events\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install hypothesis" in done.stdout
