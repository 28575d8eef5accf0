"""A topic with a field of every kind that rules treat in their own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.block import Block
from headrace.frame import Frame
from headrace.rules.checked import decoder
from headrace.rules.rule import Rule
from headrace.schema import Registry
from tests.schema import cases

PLACE = {"type": "enum", "name": "Place", "symbols": ["DE", "FR", "nowhere"]}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
TYPES: dict[str, Any] = {
    "n": "int", "m": "long", "x": "float", "y": "double", "s": "string",
    "place": PLACE, "money": MONEY, "list": {"type": "array", "items": "int"},
}  # fmt: skip


def spec(private: Sequence[str] = ()) -> dict[str, Any]:
    """The schema: every field may be null; those named are personal data."""
    fields = [
        {"name": name, "type": ["null", kind]} | ({"pii": True} if name in private else {})
        for name, kind in TYPES.items()
    ]
    return {"type": "record", "name": "Case", "fields": [{"name": "id", "type": "string"}, *fields]}


def registry(private: Sequence[str] = ()) -> Registry:
    return cases.registry(spec(private))


def rule(on_failure: str = "dead_letter", **form: Any) -> Rule:
    return Rule.model_validate({"on_failure": on_failure, **form})


def block(*rows: Mapping[str, Any], first: int = 100) -> Block:
    """Each row as a record; fields that it lacks are null."""
    empty = dict.fromkeys(TYPES)
    values = [
        cases.encode(spec(), {"id": f"e{i}", **empty, **row}) for i, row in enumerate(rows, first)
    ]
    return cases.block(values, first)


def decode(
    rules: Mapping[str, Rule], *rows: Mapping[str, Any], private: Sequence[str] = ()
) -> Frame:
    return decoder(registry(private), "case", rules)(block(*rows))
