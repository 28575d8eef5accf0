"""What is kept and told of a field is the field, whatever its type."""

from __future__ import annotations

import json
import struct
from math import isnan
from typing import Any

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from headrace.block import Block
from headrace.frame import Frame
from headrace.schema import Codec, Encoder, Registry
from headrace.schema.registry import parse
from headrace.topology.joins import Join
from headrace.topology.sessions import Sessions
from headrace.windows.session_agent import SessionAgent
from headrace.windows.sides import Sides

LOGICAL = {"timestamp-micros": "long", "local-timestamp-millis": "long", "date": "int"}
TYPES: dict[str, Any] = {
    "text": "string",
    "flag": "boolean",
    "small": "int",
    "large": "long",
    "single": "float",
    "double": "double",
    "raw": "bytes",
    "kind": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]},
    "money": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 3},
    **{name.replace("-", "_"): {"type": t, "logicalType": name} for name, t in LOGICAL.items()},
}
FIELDS = [{"name": name, "type": ["null", type_], "default": None} for name, type_ in TYPES.items()]
KEY: list[dict[str, Any]] = [
    {"name": "key", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
]
SCHEMA = parse("all", json.dumps({"type": "record", "name": "All", "fields": KEY + FIELDS}), 1, 1)
REGISTRY = Registry({"all": [SCHEMA]})
ENCODER, CODEC = Encoder(REGISTRY, "all"), Codec(REGISTRY, "all")
DAYS = st.integers(-700_000, 700_000)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"])),
    "flag": st.booleans(),
    "small": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "single": st.floats(width=32),
    "double": st.floats(),
    "raw": st.binary(),
    "kind": st.sampled_from(["a", "b"]),
    "money": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: f"{n}e-3"),
    "timestamp_micros": DAYS.map(lambda day: day * 86_400_000_000 + 1),
    "local_timestamp_millis": DAYS.map(lambda day: day * 86_400_000 + 1),
    "date": DAYS,
}
EVENT = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


def decoded(event: dict[str, Any]) -> Frame:
    value = ENCODER.encode({"key": "k", "at": 0} | event)
    zero = np.zeros(1, np.int64)
    return CODEC.decode(Block("t", 0, 0, 0, [value], zero, zero, [None]))


def bits(frame: Frame) -> list[Any]:
    """The row, floats as their bits: zero has a sign, and each NaN is the same."""
    (row,) = frame.df.select(*TYPES).rows()
    return [struct.pack("<d", v) if isinstance(v, float) and not isnan(v) else repr(v) for v in row]


@given(EVENT)
def test_through_a_join(event: dict[str, Any]):
    side = {"topic": "t", "key": ["key"], "time": "at"}
    declared = Join.model_validate(
        {
            "of": side | {"fields": {name: name for name in TYPES}},
            "with": side | {"topic": "other"},
            "match": "as_of", "keep_hours": 1, "via": "v", "into": "o",
        }
    )  # fmt: skip
    frame = decoded(event)
    ((told,),) = (emit.events for emit in Sides(declared)(frame).events)
    assert bits(decoded(orjson.loads(told["payload"]))) == bits(frame)


@given(EVENT)
def test_through_a_session(event: dict[str, Any]):
    fields: dict[str, Any] = {name: {"first": name} for name in TYPES}
    ordered = ("small", "large", "money", "timestamp_micros", "local_timestamp_millis", "date")
    fields |= {name: {"max": name} for name in ordered}
    declared = Sessions.model_validate(
        {
            "reads": "t", "key": ["key"], "time": "at", "gap_s": 1, "keep_hours": 1,
            "fields": fields, "into": "o",
        }
    )  # fmt: skip
    frame = decoded(event)
    agent = SessionAgent("s", declared, "s:state", "s:late")
    writes = agent(frame, {})
    ((told,),) = (emit.events for emit in writes.events)
    assert bits(decoded({name: told[name] for name in TYPES})) == bits(frame)
    held = writes.state[0].values["k"]
    assert held is not None
    # And out of the state again: a second event at the same time changes neither.
    again = agent(frame, {"k": held})
    ((told,),) = (emit.events for emit in again.events)
    assert bits(decoded({name: told[name] for name in TYPES})) == bits(frame)
