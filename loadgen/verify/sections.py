"""A Truth as a State: sections with the columns of docs/ledger.md."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from headrace.topology.model import Topology
from loadgen.verify.state import QUANTILES, State, canonical
from loadgen.verify.truth import KEEP, Truth

#: What each view sums, in the order in which Truth keeps it.
SUMS = {
    "revenue_by_minute": ("orders", "revenue"),
    "revenue_by_category": ("lines", "units", "revenue"),
    "payments_by_minute": ("payments", "amount"),
    "requests_by_minute": ("requests", "errors", "cache_hits"),
    "active_users_by_minute": (),
    "funnel_by_hour": ("events",),
    "exposures_by_hour": ("exposures",),
    "customer_days": ("orders",),
}
DISTINCT = frozenset({"active_users_by_minute", "funnel_by_hour", "exposures_by_hour"})


def state_of(truth: Truth, topology: Topology) -> State:
    """All sections of a recount."""
    state = {f"table.{name}": _table(truth, name) for name in topology.clickhouse.tables}
    for name in SUMS:
        state[f"view.{name}"] = _view(truth, name, topology)
    entries = pl.DataFrame(
        list(_entries(truth)),
        schema={"keyspace": pl.String, "id": pl.String, "field": pl.String, "value": pl.String},
        orient="row",
    )
    by_keyspace = {str(k[0]): f.drop("keyspace") for k, f in entries.partition_by(
        "keyspace", as_dict=True).items()}  # fmt: skip
    for name in topology.redis.keyspaces:
        state[f"redis.{name}"] = by_keyspace.get(name, entries.drop("keyspace").clear())
    return {name: canonical(name, frame, topology) for name, frame in state.items()}


def _table(truth: Truth, name: str) -> pl.DataFrame:
    rows = [(p, *values) for (table, p), values in truth.tables.items() if table == name]
    schema = dict.fromkeys(("partition", "rows", "crc", "cents"), pl.Int64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _view(truth: Truth, name: str, topology: Topology) -> pl.DataFrame:
    keys = topology.clickhouse.views[name].order_by
    sums = SUMS[name]
    found = {key: values for (view, key), values in truth.sums.items() if view == name}
    users = {key: people for (view, key), people in truth.users.items() if view == name}
    rows = []
    for key in found or users:
        row = [*key, *found.get(key, ())]
        if name in DISTINCT:
            row.append(len(users[key]))
        if name == "requests_by_minute":
            ordered = sorted(truth.latencies[key])
            row += [float(ordered[int(q * (len(ordered) - 1))]) for q in QUANTILES.values()]
        rows.append(row)
    times = {k: pl.Int64 if k in ("minute", "hour", "day") else pl.String for k in keys}
    schema: dict[str, type[pl.DataType]] = {**times, **dict.fromkeys(sums, pl.Int64)}
    if name in DISTINCT:
        schema["users"] = pl.Int64
    if name == "requests_by_minute":
        schema |= dict.fromkeys(QUANTILES, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _entries(truth: Truth) -> Iterator[tuple[str, str, str, str]]:
    for place, count in truth.counters.items():
        if count:
            yield *place, str(count)
    for place, score in truth.floats.items():
        yield *place, repr(score)
    for place, (bucket, total) in truth.rings.items():
        yield *place, f"{bucket}:{total}"
    for place, (ms, _, text) in truth.lasts.items():
        yield *place, f"{ms:013d}|{text}"
    yield from _kept(truth)


def _kept(truth: Truth) -> Iterator[tuple[str, str, str, str]]:
    """Of each set only its greatest (score, member)."""
    sets: dict[tuple[str, str], list[tuple[int, bytes, str]]] = {}
    for (keyspace, entity, member), ms in truth.maxima.items():
        sets.setdefault((keyspace, entity), []).append((ms, member.encode(), member))
    for (keyspace, entity), members in sets.items():
        for ms, _, member in sorted(members, reverse=True)[: KEEP[keyspace]]:
            yield keyspace, entity, member, repr(float(ms))
