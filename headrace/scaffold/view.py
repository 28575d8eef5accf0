"""A view by minute, its metric, its panel and its test."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from headrace.errors import ConfigError
from headrace.scaffold.edit import has, insert
from headrace.scaffold.files import TOPOLOGY, Scaffold, filled
from headrace.scaffold.source import NOON_S, Topic, is_text, logical, nullable, plain
from headrace.testing import Project

#: Where entries go, and the template of each.
_ENTRIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("declared",), "view.yaml.in"),
    (("metrics",), "metric.yaml.in"),
    (("serve", "panels"), "panel.yaml.in"),
)


#: The field of event time, unless a declaration names another.
USUAL_TIME = "occurred_at"
#: Names that the entries must not share.
_TAKEN = (("clickhouse", "tables"), ("clickhouse", "views"))


def view(root: Path, name: str, topic: str | None, by: str | None, total: str | None) -> Scaffold:
    """Counts a topic's events by minute, per value of ``by``, and sums ``total``."""
    text = (root / TOPOLOGY).read_text(encoding="utf-8")
    for section in (*_TAKEN, *(section for section, _ in _ENTRIES)):
        if has(text, (*section, name)):
            raise ConfigError(f"{'.'.join(section)}.{name}: is there already; choose another name")
    source = Topic(Project(root), topic, [field for field in (by, total) if field is not None])
    source.table()
    time = source.time.name
    values = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "topic": source.name,
        "time": time,
        "event_time": "" if time == USUAL_TIME else f"time: {time}",
        "noon": NOON_S * source.ticks,
        "second": source.ticks,
        **_by(source, by),
        **_sum(source, total),
        "event": source.event_text,
    }
    for section, template in _ENTRIES:
        text = insert(text, section, _entry(filled(template, values)))
    return Scaffold({f"tests/test_{name}.py": filled("test_view.py.in", values)}, text)


def _entry(text: str) -> str:
    """Without the lines that a template has for what was not asked for."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip())


def _by(source: Topic, by: str | None) -> dict[str, str]:
    if by is None:
        return {**dict.fromkeys(("key", "dimensions", "panel_by"), ""), "from": source.name}
    field = source.field("--by", by)
    if not is_text(field.type):
        raise ConfigError(f"--by {by!r}: is {plain(field.type).kind}; name a field of text")
    where = f"{{{source.name}: {{where: {by} IS NOT NULL}}}}"
    return {
        "from": where if nullable(field.type) else source.name,
        "key": f"key: [{by}]",
        "dimensions": f"dimensions: [{by}]",
        "panel_by": f", by: {by}",
    }


def _sum(source: Topic, name: str | None) -> dict[str, str]:
    if name is None:
        return {"sum_field": "", "measure": "{count: events}", "sum_test": ""}
    field = source.field("--sum", name)
    found, kind = logical(field.type), plain(field.type).kind
    if found is None and kind in ("int", "long"):
        scale = 0
    elif found is not None and found.name == "decimal":
        scale = found.scale
    else:
        raise ConfigError(
            f"--sum {name!r}: is {found.name if found else kind}; name an int, a long or a "
            "decimal, whose sums are the same in any order"
        )
    doubled = Decimal(source.event[name] or 0) * 2
    shown = f'"{doubled:.{scale}f}"' if found is not None else f"{doubled:f}"
    return {
        "sum_field": f"{name}: {{sum: {name}}}",
        "measure": f"{{sum: {name}}}",
        "sum_test": f'\n    assert rows[0]["{name}"] == {shown}',
    }
