"""What ClickHouse and Redis hold, as a State."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from headrace.endpoints import Endpoints
from headrace.serve.readers import ClickHouseReader, RedisReader
from headrace.topology.model import Topology
from loadgen.murmur import partitions_of
from loadgen.verify.state import QUANTILES, State, canonical

#: The money that a table's section adds up.
MONEY = {
    "catalog": "toInt64(price * 100)",
    "sessions": "toInt64(ifNull(unit_price, 0) * 100)",
    "orders": "toInt64(total * 100)",
    "payments": "toInt64(amount * 100)",
    "requests": "latency_us",
    "flags": "0",
}


def tables(reader: ClickHouseReader, topology: Topology) -> State:
    """Raw tables by partition. A row twice shows in ``rows`` and ``crc``, and as ``twice``."""
    state = {}
    for name in topology.clickhouse.tables:
        frame = reader.frame(
            f"SELECT _partition AS partition, toInt64(count()) AS rows, "
            f"toInt64(sum(CRC32(event_id))) AS crc, toInt64(sum({MONEY.get(name, '0')})) AS cents "
            f"FROM {name} GROUP BY partition"
        )
        state[f"table.{name}"] = canonical(f"table.{name}", frame, topology)
    return state


def views(reader: ClickHouseReader, topology: Topology) -> State:
    """Aggregating views, finalised."""
    state = {}
    for name, view in topology.clickhouse.views.items():
        columns = []
        for column, kind in view.columns.items():
            columns += _finalised(column, kind, column in view.order_by)
        keys = ", ".join(f"`{key}`" for key in view.order_by)
        frame = reader.frame(
            f"SELECT {', '.join(columns)} FROM (SELECT * FROM {name}) AS v GROUP BY {keys}"
        )
        frame = frame.rename({c: c.removeprefix("out_") for c in frame.columns})
        state[f"view.{name}"] = canonical(f"view.{name}", frame, topology)
    return state


def _finalised(column: str, kind: str, is_key: bool) -> list[str]:
    out = f"AS `out_{column}`"
    if is_key:
        if kind.startswith("DateTime"):
            return [f"toInt64(toUnixTimestamp(v.`{column}`)) * 1000 {out}"]
        return [f"toString(v.`{column}`) {out}"]
    if kind.startswith("SimpleAggregateFunction(sum"):
        scale = " * 100" if "Decimal" in kind else ""
        return [f"toInt64(sum(v.`{column}`){scale}) {out}"]
    if kind.startswith("AggregateFunction(uniqExact"):
        return [f"toInt64(uniqExactMerge(v.`{column}`)) {out}"]
    if kind.startswith("AggregateFunction(quantilesDD"):
        merged = f"quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(v.`{column}`)"
        return [f"toFloat64(({merged})[{i}]) AS `out_{p}`" for i, p in enumerate(QUANTILES, 1)]
    raise ValueError(f"no comparison for columns of type {kind!r}")


def keys(reader: RedisReader, topology: Topology) -> tuple[State, list[str]]:
    """Redis' keyspaces, merged over partitions; and keys that lie in the wrong partition."""
    kept: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    located: list[tuple[str, str, int]] = []
    for partition, keyspace, entity, pairs in reader.entries():
        declared = topology.redis.keyspaces[keyspace]
        if declared.located:
            located.append((keyspace, entity, partition))
        section = kept[keyspace]
        for field, raw in pairs:
            place = (entity, field)
            section[place] = _merged(section.get(place), raw, declared.type == "zset")
    state = {}
    for name in topology.redis.keyspaces:
        rows = [(e, f, _shown(v)) for (e, f), v in kept[name].items() if v != "0"]
        frame = pl.DataFrame(
            rows, schema={"id": pl.String, "field": pl.String, "value": pl.String}, orient="row"
        )
        state[f"redis.{name}"] = canonical(f"redis.{name}", frame, topology)
    return state, _misplaced(located, topology)


def _misplaced(located: list[tuple[str, str, int]], topology: Topology) -> list[str]:
    """Keys of located keyspaces that a reader, computing the partition, would not find."""
    entities = [entity.encode() for _, entity, _ in located]
    counts = set(map(topology.partitions, topology.topics))
    places = [partitions_of(entities, n).tolist() for n in counts] if entities else []
    return [
        f"{keyspace}:{entity} is in partition {partition}"
        for i, (keyspace, entity, partition) in enumerate(located)
        if all(place[i] != partition for place in places)
    ]


def _merged(held: str | None, found: str, is_score: bool) -> str:
    """Two partitions' parts of one field: scores and counters add, the newest value wins."""
    if held is None:
        return found
    if is_score:
        return repr(float(held) + float(found))
    if "|" in found:
        return max(held, found)
    return str(int(held) + int(found))


def _shown(value: str) -> str:
    """A last value without the offset in its version."""
    version, bar, text = value.partition("|")
    return f"{version.split('.')[0]}|{text}" if bar and "." in version else value


def held(endpoints: Endpoints, topology: Topology) -> tuple[State, list[str]]:
    """All that both sinks hold."""
    clickhouse = ClickHouseReader(endpoints.clickhouse, topology.clickhouse.database)
    try:
        state = {**tables(clickhouse, topology), **views(clickhouse, topology)}
    finally:
        clickhouse.close()
    redis = RedisReader(endpoints.redis, topology.redis.prefix, topology.redis.keyspaces)
    try:
        found, misplaced = keys(redis, topology)
    finally:
        redis.close()
    return {**state, **found}, misplaced
