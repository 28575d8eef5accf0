"""A declaration as Redis keeps it: keyspaces, and the updates that a block's events are.

A key of several fields is their values joined by ``|`` (a ``|`` or ``\\`` in one has a ``\\``
before it); windows stand behind ``@``. Money is in minor units, times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from headrace.declared.decay import HOUR_MS, epoch_ms, factor
from headrace.declared.kinds import RINGED, SORTED
from headrace.declared.plan import Feed, Note, Plan, fed_by
from headrace.declared.rows import MS, key, part, rows, value
from headrace.declared.value import Value
from headrace.declared.windows import BEGIN
from headrace.frame import OFFSET
from headrace.topology.declared import Aggregate, Declared, InRedis
from headrace.topology.model import Decay, Keyspace, Topic
from headrace.topology.ring import Ring
from headrace.writes import Kind, RedisOps, version

ID = "id"
#: The id of a declaration without a key.
ALL: Final = "all"
_MS_MOST, _OFFSET_MOST = 10**13 - 1, 10**15 - 1


def refused(plan: Plan) -> Iterator[Note]:
    """What Redis can't keep of a declaration."""
    declared = plan.declared
    kept = declared.keep.redis or InRedis()
    if kept.rings and declared.window is not None:
        yield Note(
            ("keep", "redis", "rings"), list(kept.rings), "rings are windows", "leave window out"
        )
    if kept.rings and declared.keep.clickhouse is not None:
        yield Note(
            ("keep", "redis", "rings"), list(kept.rings), "ClickHouse would keep other sums",
            "declare it once for each store",
        )  # fmt: skip
    if kept.rings and not any(one.kind in RINGED for one in declared.fields.values()):
        yield Note(
            ("keep", "redis", "rings"), list(kept.rings), "rings keep counts and sums",
            "leave them out",
        )  # fmt: skip
    for name, one in declared.fields.items():
        at = ("fields", name, one.kind)
        type_ = plan.values[name]
        if one.kind == "quantiles":
            yield Note(at, one.kind, "Redis has no sketch of quantiles", "keep it in clickhouse, or declare a histogram")  # noqa: E501  # fmt: skip
        if one.kind == "distinct" and not one.exact:
            yield Note(at, one.kind, "Redis keeps distinct values as they are", "add exact: true, or keep it in clickhouse")  # noqa: E501  # fmt: skip
        if one.kind in ("min", "max") and type_.kind == "text":
            yield Note(at, one.kind, "Redis orders numbers and times", "keep it in clickhouse")
        if one.kind in ("first", "last") and len(fed_by(declared, name)) > 1:
            yield Note(
                at, one.kind, "events of two topics have no order where their times are equal",
                "feed it from one topic (from:)",
            )  # fmt: skip


def keyspace(declared: Declared, name: str, field: str) -> str:
    """The keyspace of a field."""
    base = (declared.keep.redis or InRedis()).keyspace or name
    alone = len(declared.fields) == 1
    if declared.fields[field].kind not in SORTED or alone:
        return base
    return f"{base}:{field}"


def keyspaces(plan: Plan, topics: Mapping[str, Topic]) -> dict[str, Keyspace]:
    """The keyspaces that a declaration fills."""
    declared = plan.declared
    kept = declared.keep.redis or InRedis()
    located = declared.window is None and all(
        declared.key == (topics[topic].key,) and topics[topic].key not in source.map
        for topic, source in declared.from_.items()
    )
    made: dict[str, Keyspace] = {}
    for field, one in declared.fields.items():
        sorted_set = one.kind in SORTED
        decay = None
        if one.half_life_hours is not None and one.landmark is not None:
            decay = Decay(half_life_hours=one.half_life_hours, landmark=one.landmark)
        made[keyspace(declared, plan.name, field)] = Keyspace(
            type="zset" if sorted_set else "hash",
            located=located,
            ttl_hours=declared.retention_hours,
            rings={} if sorted_set else kept.rings,
            decay=decay,
            person=_person(declared, topics),
            doc=(one.doc if sorted_set else "") or declared.doc,
        )
    return made


def _person(declared: Declared, topics: Mapping[str, Topic]) -> str | None:
    """The key, where it says whose all the events are: such keys are forgotten with the person."""
    if len(declared.key) != 1 or declared.window is not None:
        return None
    (key_,) = declared.key
    whose = all(
        topics[topic].person == key_ and key_ not in source.map
        for topic, source in declared.from_.items()
    )
    return key_ if whose else None


def updates(plan: Plan, feed: Feed, df: pl.DataFrame) -> list[RedisOps]:
    """What a feed's events change."""
    made = rows(plan, feed, df)
    made = made.with_columns(_id(plan).alias(ID))
    for name in feed.fields:
        made = _with_factor(made, plan.declared.fields[name])
    ops = []
    for name in feed.fields:
        ops += _field(plan, feed, name, made)
    return ops


def _with_factor(made: pl.DataFrame, one: Aggregate) -> pl.DataFrame:
    """The rows with what a decayed sum multiplies its weights by, which others may share."""
    if one.half_life_hours is None or one.landmark is None or _factor(one) in made.columns:
        return made
    factors = factor(made[MS], one.half_life_hours * HOUR_MS, epoch_ms(one.landmark))
    return made.with_columns(factors.alias(_factor(one)))


def _factor(one: Aggregate) -> str:
    return f"factor.{one.half_life_hours}.{one.landmark}"


def _id(plan: Plan) -> pl.Expr:
    names = list(plan.declared.key)
    texts = [pl.col(key(name)).cast(pl.String) for name in names]
    if len(texts) > 1:
        texts = [
            text.str.replace_all("\\", "\\\\", literal=True).str.replace_all(
                "|", "\\|", literal=True
            )
            for text in texts
        ]
    made = pl.concat_str(texts, separator="|") if texts else pl.lit(ALL)
    if plan.begins is None:
        return made
    form = "%Y-%m-%d" if plan.begins.window.calendar else "%Y-%m-%dT%H:%M:%SZ"
    return pl.concat_str([made, pl.lit("@"), pl.col(BEGIN).dt.strftime(form)])


def _field(plan: Plan, feed: Feed, name: str, made: pl.DataFrame) -> list[RedisOps]:
    one, fed = plan.declared.fields[name], feed.fields[name]
    where = keyspace(plan.declared, plan.name, name)
    column = pl.col(value(name))
    always = fed.where is None and fed.value is None
    found = made if always else made.filter(column.is_not_null())
    field = pl.lit(name).alias("field")
    match one.kind:
        case "count" | "sum":
            delta = pl.lit(1, pl.Int64) if one.kind == "count" else column.cast(pl.Int64)
            rings = (plan.declared.keep.redis or InRedis()).rings
            if rings:
                return list(_rings(where, found, name, delta, rings))
            return [_op(Kind.ADD, where, found, field, delta.alias("delta"))]
        case "histogram":
            bounds = [str(bound) for bound in one.bounds or ()] + ["inf"]
            labels = [f"{name}:{bound}" for bound in bounds]
            label = column.cast(pl.String).replace_strict(
                [str(i) for i in range(len(labels))], labels, return_dtype=pl.String
            )
            return [_op(Kind.ADD, where, found, label.alias("field"), pl.lit(1, pl.Int64).alias("delta"))]  # noqa: E501  # fmt: skip
        case "min" | "max" | "first" | "last":
            return [_winner(plan, feed, name, found)]
    return [_scores(one, where, found, name)]


def _op(kind: Kind, where: str, found: pl.DataFrame, *columns: pl.Expr) -> RedisOps:
    return RedisOps(kind, where, found.select(ID, *columns))


def _rings(
    where: str, found: pl.DataFrame, name: str, delta: pl.Expr, rings: Mapping[str, Ring]
) -> Iterator[RedisOps]:
    for grain, ring in rings.items():
        bucket = pl.col(MS) // (ring.bucket_s * 1_000)
        summed = (
            found.select(ID, bucket.alias("bucket"), delta.alias("delta"))
            .group_by(ID, "bucket", maintain_order=True)
            .agg(pl.col("delta").sum())
        )
        slot = (pl.col("bucket") % ring.slots).cast(pl.String)
        field = pl.concat_str([pl.lit(f"{name}:{grain}"), slot]).alias("field")
        yield RedisOps(Kind.RING, where, summed.select(ID, field, "bucket", "delta"))


def _winner(plan: Plan, feed: Feed, name: str, found: pl.DataFrame) -> RedisOps:
    """``min``, ``max``, ``first`` and ``last``: the greatest version's value stays."""
    one, fed = plan.declared.fields[name], feed.fields[name]
    ms = pl.col(MS).cast(pl.Datetime("ms", "UTC"))
    if one.kind == "last":
        order = version(MS)
        found = found.with_columns(ms)
    elif one.kind == "first":
        later = (_MS_MOST - pl.col(MS)).alias(MS).cast(pl.Datetime("ms", "UTC"))
        found = found.with_columns(later, (_OFFSET_MOST - pl.col(OFFSET)).alias(OFFSET))
        order = version(MS)
    else:
        order = _number(pl.col(value(name)), one.kind)
    newest = found.with_columns(order.alias("version")).sort("version", maintain_order=True).unique(ID, keep="last", maintain_order=True)  # noqa: E501  # fmt: skip
    if fed.parts:
        parts = {inner: _plain(part_, pl.col(part(name, inner))) for inner, part_ in fed.parts.items()}  # noqa: E501  # fmt: skip
        made = pl.struct(expr.alias(inner) for inner, expr in parts.items()).struct.json_encode()
    else:
        assert fed.value is not None
        made = _plain(fed.value, pl.col(value(name))).cast(pl.String)
    return _op(
        Kind.LAST, keyspace(plan.declared, plan.name, name), newest,
        pl.lit(name).alias("field"), made.alias("value"), pl.col("version"),
    )  # fmt: skip


def _plain(given: Value, column: pl.Expr) -> pl.Expr:
    """A value as Redis has it: money in minor units, times in ms, enums as text."""
    if given.type.kind == "enum":
        return column.cast(pl.String)
    if given.type.kind == "decimal":
        return column.cast(pl.Int64)
    if given.type.kind == "time" and given.type.unit == "us":
        return column // 1_000
    return column


def _number(column: pl.Expr, kind: str) -> pl.Expr:
    """A version that grows with a 64-bit number, or with its opposite for ``min``.

    In the form of the others, 13 digits, a point and 15 digits, so that readers know it.
    """
    number = column.cast(pl.Int64)
    if kind == "min":
        number = -1 - number
    # Below zero is 2^63 less: the same bits, the sign turned, are the number from 0 up.
    digits = (number.cast(pl.Int128) + 2**63).cast(pl.String).str.zfill(28)
    return pl.concat_str([digits.str.slice(0, 13), pl.lit("."), digits.str.slice(13)])


def _scores(one: Aggregate, where: str, found: pl.DataFrame, name: str) -> RedisOps:
    """Members with scores: how often, when last, or how much."""
    member = pl.col(value(name))
    seen = pl.col(MS).cast(pl.Float64).alias("score")
    if one.kind == "top":
        return _op(Kind.ADD_FLOAT, where, found, member.alias("member"), pl.lit(1.0).alias("score"))
    if one.kind == "decayed":
        by = pl.col(part(name, "by"))
        found = found.filter(by.is_not_null())
        score = (pl.col(value(name)) * pl.col(_factor(one))).alias("score")
        return _op(Kind.ADD_FLOAT, where, found, by.alias("member"), score)
    op = _op(Kind.MAX, where, found, member.alias("member"), seen)
    return RedisOps(op.kind, op.keyspace, op.frame, one.n) if one.kind == "newest" else op
