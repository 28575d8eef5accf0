"""Metrics, funnels, cohorts and read models that ask for what is not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace.topology import aggregates, examine, load

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "topology.yaml").read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong", "fix"),
    [
        ("view: revenue_by_minute", "view: revenue", "metrics.revenue.view", "no such view", "revenue_by_minute"),
        ("time: minute", "time: hour", "metrics.revenue.time", "not ordered by", "minute"),
        ("time: minute", "time: region", "metrics.revenue.time", "LowCardinality", "DateTime"),
        ("{name: minute, every: 1m}", "{name: minute, every: 1m, length: 5m}",
         "metrics.revenue.time", "how long its steps are", "toStartOfMinute"),
        ("{sum: revenue}", "{sum: income}", "metrics.revenue.measure.sum", "no such column", "orders"),
        ("{sum: revenue}", "{sum: region}", "metrics.revenue.measure.sum", "not a sum", "SimpleAgg"),
        ("{sum: revenue}", "{sum: revenue, count: orders}", "metrics.revenue.measure", "one form", "ratio"),
        ("{sum: revenue}", "{}", "metrics.revenue.measure", "one form", "ratio"),
        ("{sum: revenue}", "{sum: revenue, levels: [0.5]}", "metrics.revenue.measure.levels", "only quantiles", "out"),
        ("[errors, requests]", "[errors, route]", "metrics.error_rate.measure.ratio.1", "not a sum", "SimpleAgg"),
        ("{distinct: users}", "{distinct: region}", "metrics.active_users.measure.distinct", "not a state", "uniqExact"),
        ("levels: [0.5, 0.95, 0.99]}\n    dim", "levels: [0.5, 0.9]}\n    dim",
         "metrics.latency.measure.levels.1", "does not have this level", "0.95"),
        ("quantile: latency_us, levels: [0.5, 0.95, 0.99]", "quantile: latency_us",
         "metrics.latency.measure.levels", "missing", "0.5"),
        ("quantile: latency_us", "quantile: requests", "metrics.latency.measure.quantile", "not a state", "DD"),
        ("dimensions: [region]", "dimensions: [revenue]", "metrics.revenue.dimensions.0", "not ordered by", "region"),
        ("where: {currency: EUR}", "where: {money: EUR}", "metrics.revenue.where.money", "not ordered by", "currency"),
        ("tenant: tenant\n", "tenant: client\n", "metrics.requests.tenant", "not ordered by", "tenant"),
        ("target: 0.99}", "target: 1.5}", "metrics.revenue.objective.target", "not valid", "less than 1"),
        ("step: step", "step: events", "funnels.shop.step", "not ordered by", "step"),
        ("value: users", "value: region", "funnels.shop.value", "not a sum or", "uniqExact"),
        ("steps: [page_view, product_view", "steps: [page_view, page_view", "funnels.shop.steps", "twice", "once"),
        ("id: user_id", "id: orders", "cohorts.customers.id", "not ordered by", "user_id"),
        ('order: {doc: "An order: its state, lines, payment and history", owner: commerce, keyspaces: [order',
         "order: {keyspaces: [orders", "serve.views.order.keyspaces.0", "no such keyspace", "order"),
        ("{type: hash, located: true, ttl_hours: 960, doc: Units",
         "{type: hash, decay: {half_life_hours: 1, landmark: 2026-01-01T00:00:00Z}, located: true, ttl_hours: 960, doc: Units",
         "redis.keyspaces.cart.decay", "has no scores", "leave"),
        ("doc: What happened to an order and when", "rings: {m: {bucket_s: 1, slots: 1}}",
         'redis.keyspaces.order:history.rings', "has no rings", "leave"),
    ],
)  # fmt: skip
def test_each_check_names_place_and_fix(root, old, new, path, wrong, fix):
    assert old in TEXT
    (root / "topology.yaml").write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    found = [p for p in examine(root)[1] if p.path == path]
    assert found, examine(root)[1]
    assert wrong in f"{found[0].wrong}"
    assert fix in f"{found[0].fix}"
    # A missing value is told at what lacks it; all else at its own line.
    assert found[0].line > TEXT[: TEXT.index(old)].count("\n") - 6


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        ("AggregateFunction(quantilesDD(0.01, 0.5, 0.9), Float64)", (0.5, 0.9)),
        ("AggregateFunction(quantilesTDigest(0.5), UInt64)", (0.5,)),
        ("AggregateFunction(quantilesDD(x), Float64)", None),
        ("AggregateFunction(uniqExact, String)", None),
    ],
)
def test_levels_of_a_state(kind, levels):
    state = aggregates.quantiles(kind)
    assert (state.levels if state else None) == levels


def test_the_grain_follows_from_the_selects():
    views = load(ROOT).clickhouse.views
    grains = {name: aggregates.grain_s(view, view.order_by[0]) for name, view in views.items()}
    assert grains.pop("customer_days") is None
    assert aggregates.grain_s(views["customer_days"], "day") == 86_400
    assert {g for n, g in grains.items() if n.endswith("by_minute")} == {60}
    assert grains["funnel_by_hour"] == grains["exposures_by_hour"] == 3_600
