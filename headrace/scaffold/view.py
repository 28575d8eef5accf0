"""A view by minute, its metric, its panel and its test."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from headrace.errors import ConfigError
from headrace.scaffold.edit import has, insert
from headrace.scaffold.files import TOPOLOGY, Scaffold, filled
from headrace.scaffold.source import NOON_S, Topic, is_text, logical, nullable, plain
from headrace.testing import Project

#: Where entries go, and the template of each.
_ENTRIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("clickhouse", "views"), "view.yaml.in"),
    (("metrics",), "metric.yaml.in"),
    (("serve", "panels"), "panel.yaml.in"),
)


@dataclass(frozen=True, slots=True)
class Sum:
    """A column that sums a field, exactly: SQL, its type, what two events' sum is shown as."""

    field: str
    sql: str
    type: str
    shown: str


def view(root: Path, name: str, topic: str | None, by: str | None, total: str | None) -> Scaffold:
    """Counts a topic's events by minute, per value of ``by``, and sums ``total``."""
    text = (root / TOPOLOGY).read_text(encoding="utf-8")
    for section in (("clickhouse", "tables"), *(section for section, _ in _ENTRIES)):
        if has(text, (*section, name)):
            raise ConfigError(f"{'.'.join(section)}.{name}: is there already; choose another name")
    source = Topic(Project(root), topic)
    summed = _sum(source, total) if total else None
    keys = [by] if by else []
    values = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "topic": source.name,
        "table": source.table,
        "time": source.time.name,
        "event": source.event_text,
        "noon": NOON_S * source.ticks,
        "second": source.ticks,
        "keys": "".join(f", {key}" for key in ["minute", *keys])[2:],
        "per": f" per {by}" if by else "",
        **_by(source, by),
        **_summed(summed),
    }
    for section, template in _ENTRIES:
        text = insert(text, section, _entry(filled(template, values)))
    return Scaffold({f"tests/test_{name}.py": filled("test_view.py.in", values)}, text)


def _entry(text: str) -> str:
    """Without the lines that a template has for what was not asked for."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip())


def _by(source: Topic, by: str | None) -> dict[str, str]:
    if by is None:
        return dict.fromkeys(("by_column", "by_sql", "dimensions", "panel_by"), "")
    field = source.field("--by", by)
    if not is_text(field.type):
        raise ConfigError(f"--by {by!r}: is {plain(field.type).kind}; name a field of text")
    missing = nullable(field.type)
    return {
        "by_column": f"{by}: LowCardinality(String)",
        "by_sql": f", ifNull({source.table}.{by}, '') AS {by}" if missing else f", {by}",
        "dimensions": f"dimensions: [{by}]",
        "panel_by": f", by: {by}",
    }


def _sum(source: Topic, name: str) -> Sum:
    field = source.field("--sum", name)
    kind, scale = plain(field.type).kind, 0
    found = logical(field.type)
    value: Any = source.event[name]
    column = f"{source.table}.{name}"
    if found is not None and found.name == "decimal":
        scale = found.scale
        sql, type_ = f"toDecimal128({column}, {scale})", f"Decimal(38, {scale})"
    elif found is None and kind in ("int", "long"):
        sql, type_ = f"toInt64({column})", "Int64"
    else:
        raise ConfigError(
            f"--sum {name!r}: is {found.name if found else kind}; name an int, a long or a "
            "decimal, whose sums are the same in any order"
        )
    if nullable(field.type):
        sql = f"ifNull({sql}, 0)"
    doubled = Decimal(0 if value is None else value) * 2
    text = f'"{doubled:.{scale}f}"' if scale or found is not None else str(int(doubled))
    return Sum(name, f"sum({sql}) AS {name}", f"SimpleAggregateFunction(sum, {type_})", text)


def _summed(summed: Sum | None) -> dict[str, str]:
    if summed is None:
        return {"sum_column": "", "sum_sql": "", "measure": "{count: events}", "sum_test": ""}
    return {
        "sum_column": f"{summed.field}: {summed.type}",
        "sum_sql": f",\n             {summed.sql}",
        "measure": f"{{sum: {summed.field}}}",
        "sum_test": f'\n    assert rows[0]["{summed.field}"] == {summed.shown}',
    }
