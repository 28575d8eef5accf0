"""A declaration as ClickHouse keeps it: a view's target, and the selects that feed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.declared.leaves import ENTRY, ROW
from headrace.declared.plan import Feed, Note, Plan
from headrace.declared.states import column, plain, state
from headrace.declared.value import Type
from headrace.topology.declared import InClickHouse
from headrace.topology.model import View


def refused(plan: Plan) -> Iterator[Note]:
    """What ClickHouse can't keep of a declaration."""
    declared = plan.declared
    if not declared.key and declared.window is None:
        yield Note(("key",), [], "ClickHouse orders rows by something", "add a key or a window")
    if declared.retention_hours is not None and declared.window is None:
        yield Note(
            ("retention_hours",), declared.retention_hours,
            "a row of all time has no age in ClickHouse", "add a window, or leave it out",
        )  # fmt: skip
    for name, one in declared.fields.items():
        at = ("fields", name)
        if one.kind == "decayed":
            yield Note(
                at, one.kind, "ClickHouse's powers of two may differ in the last bit",
                "keep it in redis",
            )  # fmt: skip
        elif isinstance(getattr(one, one.kind), dict):
            yield Note(
                (*at, one.kind), one.kind, "objects are kept in redis", "declare a field for each"
            )
    yield from _options(plan)


def _options(plan: Plan) -> Iterator[Note]:
    kept = plan.declared.keep.clickhouse or InClickHouse()
    at = ("keep", "clickhouse")
    order = _order(plan)
    for i, name in enumerate(kept.order_by):
        if name not in order:
            yield Note(
                (*at, "order_by", i), name, "is neither key nor window",
                f"list all of: {', '.join(order)}",
            )  # fmt: skip
    if kept.order_by and sorted(kept.order_by) != sorted(order):
        yield Note(
            (*at, "order_by"), list(kept.order_by), "rows would merge that differ in a key",
            f"list all of: {', '.join(order)}",
        )  # fmt: skip
    for i, key in enumerate(kept.low_cardinality):
        if key not in plan.keys or plan.keys[key].kind != "text":
            yield Note(
                (*at, "low_cardinality", i), key, "is no key of text",
                f"name one of: {', '.join(plan.declared.key) or 'none'}",
            )  # fmt: skip


def _order(plan: Plan) -> tuple[str, ...]:
    window = plan.declared.window
    return (*((window.name,) if window else ()), *plan.declared.key)


def view(plan: Plan, tables: Mapping[str, str]) -> View:
    """The view; ``tables`` has the raw table of each topic."""
    declared = plan.declared
    kept = declared.keep.clickhouse or InClickHouse()
    columns = {}
    if plan.begins is not None:
        columns[plan.begins.window.name] = plan.begins.column
    for key, type_ in plan.keys.items():
        columns[key] = _key_column(plan, key, type_, kept)
    for name, one in declared.fields.items():
        columns[name] = column(one, plan.values[name])
    ttl = None
    if declared.retention_hours is not None and declared.window is not None:
        ttl = f"`{declared.window.name}` + INTERVAL {declared.retention_hours} HOUR"
    return View.model_validate(
        {
            "doc": declared.doc,
            "columns": columns,
            "order_by": kept.order_by or _order(plan),
            "partition_by": kept.partition_by,
            "ttl": ttl,
            "from": {tables[topic]: select(plan, feed, tables[topic]) for topic, feed in plan.feeds.items()},  # noqa: E501
        }
    )  # fmt: skip


def _key_column(plan: Plan, key: str, type_: Type, kept: InClickHouse) -> str:
    if type_.kind != "text":
        return plain(type_)
    enums = all(feed.keys[key].type.symbols for feed in plan.feeds.values())
    return "LowCardinality(String)" if enums or key in kept.low_cardinality else "String"


def select(plan: Plan, feed: Feed, table: str) -> str:
    """The SELECT that a source feeds the view by."""
    parts = []
    groups = []
    if plan.begins is not None:
        window = plan.begins.window.name
        parts.append(f"{plan.begins.sql(feed.time.sql)} AS `{window}`")
        groups.append(f"`{window}`")
    for key, found in feed.keys.items():
        parts.append(f"{found.sql} AS `{key}`")
        groups.append(f"`{key}`")
    for name, one in plan.declared.fields.items():
        fed = feed.fields.get(name)
        if fed is not None:
            parts.append(f"{state(one, plan.values[name], fed, feed)} AS `{name}`")
    source = f"FROM `{table}` AS {ROW}"
    if feed.each is not None:
        source += f" ARRAY JOIN {ROW}.`{feed.each}` AS {ENTRY}"
    where = f"\nWHERE {feed.where.sql}" if feed.where is not None else ""
    return "SELECT\n  " + ",\n  ".join(parts) + f"\n{source}{where}\nGROUP BY {', '.join(groups)}"
