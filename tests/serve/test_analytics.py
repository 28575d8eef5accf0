"""Answers about metrics, against a recount of the log in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def sums(shop, view, column, *, by=(), where=lambda row: True, step_ms=MINUTE_MS):
    """Sums of a view's column by time and key columns, from the recount."""
    keys = shop.topology.clickhouse.views[view].order_by
    found = defaultdict(int)
    for (name, key), values in shop.truth.sums.items():
        if name != view:
            continue
        row = dict(zip(keys, key, strict=True))
        if where(row):
            at = row[keys[0]] // step_ms * step_ms
            found[(at, *(row[k] for k in by))] += values[column]
    return {key: value for key, value in found.items() if value}


def ask(shop, path, **parameters):
    answer = shop.get(f"/v1/{path}", **{"last": "3h", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def found_in(answer, *by, scale=1):
    """Values that are not 0 by time and labels."""
    return {
        (at, *(series["labels"][k] for k in by)): round(value * scale)
        for series in answer["series"]
        for at, value in series["points"]
        if value
    }


def euros(row):
    return row["currency"] == "EUR"


@pytest.mark.parametrize(
    ("metric", "view", "column", "by", "where", "scale"),
    [
        ("revenue", "revenue_by_minute", 1, ["region"], euros, 100),
        ("orders", "revenue_by_minute", 0, ["region", "currency"], lambda r: True, 1),
        ("orders", "revenue_by_minute", 0, [], lambda r: True, 1),
        ("category_revenue", "revenue_by_category", 2, ["category"], euros, 100),
        ("payments", "payments_by_minute", 0, ["type", "method"], lambda r: True, 1),
        ("requests", "requests_by_minute", 0, ["route", "tenant"], lambda r: True, 1),
        ("errors", "requests_by_minute", 1, ["tenant"], lambda r: True, 1),
    ],
)
def test_sums_are_those_of_the_events(shop, metric, view, column, by, where, scale):
    answer = ask(shop, f"metrics/{metric}/series", by=",".join(by), step="1m")
    expected = sums(shop, view, column, by=by, where=where)
    assert found_in(answer, *by, scale=scale) == expected
    assert expected
    assert answer["unit"] == shop.topology.metrics[metric].unit


def test_every_step_has_a_point_and_filters_hold(shop):
    answer = ask(shop, "metrics/orders/series", step="5m", where=["region:apac"])
    (series,) = answer["series"]
    starts = [at for at, _ in series["points"]]
    assert starts == list(range(answer["from"], answer["to"], 5 * MINUTE_MS))
    assert answer["to"] - answer["from"] == 3 * HOUR_MS
    expected = sums(
        shop, "revenue_by_minute", 0, where=lambda r: r["region"] == "apac", step_ms=5 * MINUTE_MS
    )
    assert found_in(answer) == expected
    assert 0.0 in [value for _, value in series["points"]]


def test_an_hour_s_step_of_exposures(shop):
    answer = ask(shop, "metrics/exposures/series", by="flag,variant")
    expected = sums(shop, "exposures_by_hour", 0, by=["flag", "variant"], step_ms=HOUR_MS)
    assert answer["step_s"] == 3600
    found = found_in(answer, "flag", "variant")
    assert {key: n for key, n in found.items() if key[1] != "live"} == expected


def test_distinct_users_of_a_longer_step_are_counted_once(shop):
    answer = ask(shop, "metrics/active_users/series", step="1h")
    users = defaultdict(set)
    for (view, key), people in shop.truth.users.items():
        if view == "active_users_by_minute":
            users[key[0] // HOUR_MS * HOUR_MS] |= people
    assert found_in(answer) == {(at,): len(people) for at, people in users.items()}


def test_quantiles_over_all_tenants_and_null_where_nothing_was_asked(shop):
    answer = ask(shop, "metrics/latency/series", step="1h", by="route")
    latencies = defaultdict(list)
    for (minute, _, route), values in shop.truth.latencies.items():
        latencies[minute // HOUR_MS * HOUR_MS, route] += values
    compared = 0
    for series in answer["series"]:
        route, level = series["labels"]["route"], float(series["labels"]["quantile"])
        for at, value in series["points"]:
            exact = sorted(latencies.get((at, route), []))
            if not exact:
                assert value is None
                continue
            expected = exact[int(level * (len(exact) - 1))]
            assert math.isclose(value, expected, rel_tol=0.025), (series["labels"], at)
            compared += 1
    assert compared >= 3 * len(latencies)
    assert {s["labels"]["quantile"] for s in answer["series"]} == {"0.5", "0.95", "0.99"}


def test_a_share_is_of_sums_and_null_of_nothing(shop):
    answer = ask(shop, "metrics/error_rate/series", step="1h")
    whole = sums(shop, "requests_by_minute", 0, step_ms=HOUR_MS)
    errors = sums(shop, "requests_by_minute", 1, step_ms=HOUR_MS)
    for at, value in answer["series"][0]["points"]:
        if (at,) in whole:
            assert math.isclose(value, errors.get((at,), 0) / whole[at,])
        else:
            assert value is None


def test_nothing_happened_long_ago(shop):
    window = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00+00:00", "step": "15m"}
    for metric, nothing in (("orders", 0.0), ("error_rate", None), ("latency", None)):
        answer = shop.get(f"/v1/metrics/{metric}/series", **window).json()
        for series in answer["series"]:
            assert [value for _, value in series["points"]] == [nothing] * 4
    assert shop.get("/v1/metrics/orders/series", by="region", **window).json()["series"] == []


def test_the_top_categories(shop):
    answer = ask(shop, "metrics/category_revenue/top", by="category", n=5)
    totals = defaultdict(int)
    for (_, category), cents in sums(
        shop, "revenue_by_category", 2, by=["category"], where=euros
    ).items():
        totals[category] += cents
    best = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:5]
    assert [(r["labels"]["category"], round(r["value"] * 100)) for r in answer["rows"]] == best


def test_routes_ranked_by_the_greatest_declared_quantile(shop):
    rows = ask(shop, "metrics/latency/top", by="route", n=3)["rows"]
    assert [row["labels"]["quantile"] for row in rows] == ["0.99"] * 3
    values = [row["value"] for row in rows]
    assert values == sorted(values, reverse=True)


def funnel(shop, region=None):
    users = defaultdict(set)
    for (view, key), people in shop.truth.users.items():
        if view == "funnel_by_hour" and region in (None, key[1]):
            users[key[2]] |= people
    return {step: len(people) for step, people in users.items()}


def test_the_funnel_counts_each_user_once(shop):
    steps = ask(shop, "funnels/shop", last="24h")["steps"]
    expected = funnel(shop)
    assert {s["step"]: s["value"] for s in steps} == expected
    assert [s["step"] for s in steps] == list(shop.topology.funnels["shop"].steps)
    assert steps[0]["of_first"] == steps[0]["of_previous"] == 1.0
    assert steps[2]["of_first"] == expected["cart_add"] / expected["page_view"]
    assert steps[2]["of_previous"] == expected["cart_add"] / expected["product_view"]


def test_the_funnel_by_region(shop):
    groups = ask(shop, "funnels/shop", last="24h", by="region")["groups"]
    for group in groups:
        expected = funnel(shop, group["labels"]["region"])
        assert {s["step"]: s["value"] for s in group["steps"] if s["value"]} == expected
    assert len(groups) == 6


def test_customers_by_the_day_of_their_first_order(shop):
    answer = ask(shop, "cohorts/customers", last="7d")
    days = defaultdict(set)
    for (view, key), _ in shop.truth.sums.items():
        if view == "customer_days":
            days[key[0]].add(key[1] // DAY_MS)
    expected = defaultdict(lambda: defaultdict(int))
    for seen in days.values():
        for day in seen:
            expected[min(seen)][day - min(seen)] += 1
    assert len(answer["cohorts"]) == len(expected)
    for cohort, (_, periods) in zip(answer["cohorts"], sorted(expected.items()), strict=True):
        assert cohort["size"] == periods[0]
        assert {p["period"]: p["users"] for p in cohort["periods"] if p["users"]} == periods
        assert cohort["periods"][0] == {"period": 0, "users": cohort["size"], "share": 1.0}


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "detail"),
    [
        ("metrics/income/series", {}, 404, "unknown-metric", "there are: revenue, orders"),
        ("metrics/revenue/series", {"by": "city"}, 422, "unknown-dimension", "there are: region"),
        ("metrics/revenue/series", {"by": "currency"}, 422, "unknown-dimension", "region"),
        ("metrics/revenue/series", {"where": "region"}, 422, "invalid-filter", "dimension:value"),
        ("metrics/revenue/series", {"where": "x:y"}, 422, "unknown-dimension", "region"),
        ("metrics/revenue/series", {"where": f"region:{'x' * 300}"}, 422, "invalid-filter", "256"),
        ("metrics/revenue/series", {"last": "soon"}, 422, "invalid-range", "write 30s, 15m"),
        ("metrics/revenue/series", {"from": "yesterday"}, 422, "invalid-range", "2026-03-01T"),
        ("metrics/revenue/series", {"from": "2026-03-01T00:00:00"}, 422, "invalid-range", "Z"),
        ("metrics/revenue/series", {"from": "9" * 15}, 422, "invalid-range", "outside of 1970"),
        ("metrics/revenue/series", {"from": "5000", "to": "1000"}, 422, "invalid-range", "before"),
        ("metrics/revenue/series", {"from": "1", "last": "1h"}, 422, "invalid-range", "exclude"),
        ("metrics/revenue/series", {"last": "500d"}, 422, "range-too-long", "400 days"),
        ("metrics/revenue/series", {"last": "90d", "step": "1m"}, 422, "too-many-points", "2000"),
        ("metrics/revenue/series", {"step": "90s"}, 422, "invalid-step", "multiple of the view's"),
        ("metrics/revenue/series", {"step": "500d"}, 422, "invalid-step", "too long"),
        ("metrics/revenue/series", {"at_least": "x"}, 422, "invalid-at-least", "topic:partition"),
        ("metrics/revenue/series", {"at_least": "shop.sessions:0:1"}, 422, "invalid-at-least",
         "shop.orders only"),
        ("metrics/revenue/series", {"at_least": "shop.orders:9:1"}, 422, "invalid-at-least", "4"),
        ("metrics/revenue/series", {"wait_ms": "9000"}, 422, "invalid-request", "5000"),
        ("metrics/revenue/top", {}, 422, "invalid-request", "by"),
        ("metrics/revenue/top", {"by": ""}, 422, "unknown-dimension", "name what to rank"),
        ("metrics/revenue/top", {"by": "region", "n": "0"}, 422, "invalid-request", "n"),
        ("metrics/income/stream", {}, 404, "unknown-metric", "revenue"),
        ("funnels/none", {}, 404, "unknown-funnel", "there are: shop"),
        ("cohorts/none", {}, 404, "unknown-cohorts", "there are: customers"),
    ],
)  # fmt: skip
def test_what_can_t_be_asked_is_told_with_what_can(shop, path, parameters, status, kind, detail):
    answer = shop.get(f"/v1/{path}", **parameters)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"/problems/{kind}"), problem
    assert detail in problem["detail"]


def test_values_are_bound_whatever_they_hold(shop):
    for value in ("' OR 1=1 --", "{from:UInt32}", "a\\b\tc", "%s", "é\u0000"):
        answer = ask(shop, "metrics/orders/series", where=[f"region:{value}"])
        assert found_in(answer) == {}, value


def test_all_metrics_are_listed(shop):
    answer = shop.get("/v1/metrics").json()
    assert [m["name"] for m in answer["metrics"]] == list(shop.topology.metrics)
    latency = next(m for m in answer["metrics"] if m["name"] == "latency")
    assert latency == {
        "name": "latency", "doc": "Time to answer a request", "unit": "us", "owner": "platform",
        "dimensions": ["route", "tenant"], "step_s": 60, "kind": "quantile",
    }  # fmt: skip
