"""Final tables as plain rows, from a data frame and from what Redis holds."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from headrace.declared.kinds import RINGED, SORTED
from headrace.declared.plan import Plan
from headrace.declared.redis import keyspace
from headrace.memory import Key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def rows(df: pl.DataFrame) -> list[Row]:
    """Structs of lists as tuples, as the oracle has them."""
    return [{name: _tuples(value) for name, value in row.items()} for row in df.to_dicts()]


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return [tuple(one.values()) if isinstance(one, dict) else one for one in value]
    return value


def from_redis(plan: Plan, held: dict[Key, dict[str, Any]]) -> list[Row]:
    """The table that a declaration's keys hold, in ``MemorySink``'s form, all partitions together.

    A key of which nothing is held is in no store.
    """
    declared = plan.declared
    parts: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for (_, where, entity), fields in held.items():
        for name, one in declared.fields.items():
            if keyspace(declared, plan.name, name) == where:
                found = _part(name, one.kind, fields, plan)
                if found is not None:
                    parts[entity][name].append(found)
    table = []
    for entity, found in parts.items():
        row = _place(plan, entity)
        for name in declared.fields:
            row[name] = _merged(plan, name, found[name])
        table.append(row)
    order = [*([declared.window.name] if declared.window else []), *declared.key]
    return sorted(table, key=lambda row: [row[name] for name in order])


def _place(plan: Plan, entity: str) -> Row:
    declared, row = plan.declared, {}
    if declared.window is not None:
        entity, _, begin = entity.rpartition("@")
        row[declared.window.name] = (
            date.fromisoformat(begin) if declared.window.calendar else datetime.fromisoformat(begin)
        )
    keys = [entity]
    if len(declared.key) > 1:
        keys = [re.sub(r"\\(.)", r"\1", k) for k in re.split(r"(?<!\\)(?:\\\\)*\|", entity)]
    return {**row, **dict(zip(declared.key, keys, strict=True))}


def _part(name: str, kind: str, fields: dict[str, Any], plan: Plan) -> Any:
    if kind in SORTED:
        return dict(fields)
    rings = plan.declared.keep.redis.rings if plan.declared.keep.redis else {}
    if rings and kind in RINGED:
        found = {f: v for f, v in fields.items() if re.fullmatch(rf"{name}:[a-z]+\d+", f)}
        return found or None
    if kind == "histogram":
        return {f: v for f, v in fields.items() if f.startswith(f"{name}:")} or None
    return fields.get(name)


def _merged(plan: Plan, name: str, parts: list[Any]) -> Any:  # noqa: PLR0911 - one each
    one, type_ = plan.declared.fields[name], plan.values[name]
    kind = one.kind
    rings = plan.declared.keep.redis.rings if plan.declared.keep.redis else {}
    if rings and kind in RINGED:
        return _rings(parts)
    match kind:
        case "count":
            return sum(parts)
        case "sum":
            total = sum(parts)
            return Decimal(total).scaleb(-type_.scale) if type_.kind == "decimal" else total
        case "min" | "max" | "first" | "last":
            return _value(max(parts)[1], plan, name) if parts else None
        case "distinct":
            return len({member for part in parts for member in part})
        case "histogram":
            labels = [f"{name}:{bound}" for bound in [*(one.bounds or ()), "inf"]]
            return [sum(part.get(label, 0) for part in parts) for label in labels]
    scores: dict[str, float] = {}
    for part in parts:
        for member, score in part.items():
            add = kind != "newest"
            held = scores.get(member, 0.0)
            scores[member] = held + score if add else max(held, score)
    if kind == "newest":
        ranked = sorted(scores.items(), key=lambda p: (p[1], p[0].encode()), reverse=True)
    else:
        ranked = sorted(scores.items(), key=lambda p: (-p[1], p[0].encode()))
    whole = ranked if kind == "decayed" else [(member, int(n)) for member, n in ranked]
    return whole[: one.n]


def _rings(parts: list[dict[str, tuple[int, int]]]) -> list[tuple[str, int, int]]:
    """Slots of several partitions: each has its own, so only one partition may have fed them."""
    assert len(parts) <= 1
    found = []
    for part in parts:
        for field, (bucket, number) in part.items():
            ring = re.sub(r"\d+$", "", field.rpartition(":")[2])
            found.append((ring, bucket, number))
    return sorted(found)


def _value(text: str, plan: Plan, name: str) -> Any:
    one, type_ = plan.declared.fields[name], plan.values[name]
    if isinstance(getattr(one, one.kind), dict):
        return orjson.loads(text)
    if type_.kind == "decimal":
        return Decimal(int(text)).scaleb(-type_.scale)
    if type_.kind == "time":
        return EPOCH + timedelta(milliseconds=int(text))
    return int(text) if type_.kind == "int" else text
