"""What a request can bring into a query: values that are bound, never text of its own."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import topology
from headrace.clock import ManualClock
from headrace.errors import Transient
from headrace.serve.analytics import scoping
from headrace.serve.analytics.ranges import MAX_POINTS, MAX_RANGE_S, Asked, Range, resolve
from headrace.serve.auth import Caller
from headrace.serve.entities import pages
from headrace.serve.positions.shared import REFRESH_S, Shared
from headrace.serve.problems import Problem
from headrace.serve.queries import compile
from headrace.serve.queries.query import Scope
from tests.serve.server import ROOT

DECLARED = topology.load(ROOT)
NOW_MS = 1_772_366_430_500
EVERYBODY = Caller("test", frozenset())
TENANT = Caller("test", frozenset(), "alder-apac")


@given(value=st.text(max_size=50), by=st.sampled_from(["route", "tenant"]))
def test_a_value_changes_the_parameters_and_never_the_sql(value, by):
    metric = DECLARED.metrics["latency"]
    found, usual = (
        compile.series(DECLARED, metric, Scope(0, 60, (("route", text),)), 60, [by])
        for text in (value, "x")
    )
    assert found.sql == usual.sql
    assert dict(found.parameters)["equal0"] == value
    bound = set(re.findall(r"\{(\w+):\w+\}", found.sql))
    assert bound == {name for name, _ in found.parameters}


def test_a_tenant_s_rows_are_chosen_in_every_query():
    for name, metric in DECLARED.metrics.items():
        if metric.tenant is None:
            with pytest.raises(Problem) as refused:
                scoping.fixed(metric, name, TENANT)
            assert refused.value.status == 403
            continue
        scope = Scope(0, 60, (("tenant", "birch-apac"), *scoping.fixed(metric, name, TENANT)))
        query = compile.top(DECLARED, metric, scope, ["route"], 10)
        # Whatever else the request asks for, both conditions hold.
        assert "v.`tenant` = {equal0:String} AND v.`tenant` = {equal1:String}" in query.sql
        assert dict(query.parameters)["equal1"] == "alder-apac"
    for name, declared in (*DECLARED.funnels.items(), *DECLARED.cohorts.items()):
        with pytest.raises(Problem):
            scoping.fixed(declared, name, TENANT)


def test_what_always_holds_stays_whoever_asks():
    revenue = DECLARED.metrics["revenue"]
    assert scoping.fixed(revenue, "revenue", EVERYBODY) == (("currency", "EUR"),)


LENGTHS = st.builds("{}{}".format, st.integers(1, 500), st.sampled_from("smhd"))


@given(
    last=LENGTHS | st.none(),
    step=LENGTHS | st.none(),
    from_ms=st.integers(0, NOW_MS * 2) | st.none(),
    to_ms=st.integers(0, NOW_MS * 2) | st.none(),
    grain_s=st.sampled_from([60, 3_600, 86_400]),
)
def test_a_range_is_of_whole_steps_that_have_begun(last, step, from_ms, to_ms, grain_s):
    asked = Asked(
        None if from_ms is None else str(from_ms), None if to_ms is None else str(to_ms), last, step
    )
    try:
        span = resolve(asked, NOW_MS, grain_s, "1h")
    except Problem:
        return  # told in test_analytics
    assert span.step_s % grain_s == 0
    assert span.from_s % span.step_s == span.to_s % span.step_s == 0
    assert 0 <= span.from_s <= span.to_s
    assert len(span.buckets) <= MAX_POINTS
    assert span.to_s - span.from_s <= MAX_RANGE_S + 2 * span.step_s
    assert all(start <= NOW_MS // 1000 for start in span.buckets)


def test_a_range_that_ends_now_has_as_many_steps_as_it_says():
    now_s = NOW_MS // 1000
    found = resolve(Asked(last="15m"), NOW_MS, 60, "1h")
    assert len(found.buckets) == 15
    assert found.buckets[-1] <= now_s < found.to_s
    assert resolve(Asked("0", "3600000", None, "30m"), NOW_MS, 60, "1h") == Range(0, 3600, 1800)


@given(
    scores=st.dictionaries(
        st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=30
    ),
    limit=st.integers(1, 7),
)
def test_pages_show_each_member_once_in_order(scores, limit):
    members = sorted(scores.items(), key=lambda item: (-item[1], item[0].encode()))
    found, cursor = [], None
    while True:
        page, cursor = pages.cut(members, None if cursor is None else pages.parse(cursor), limit)
        found += page
        if cursor is None:
            break
    assert found == members


async def test_callers_share_a_position_and_keep_the_last_one_when_the_store_is_away():
    clock, asked, away = ManualClock(), [], False

    async def read():
        asked.append(clock.monotonic())
        await asyncio.sleep(0)
        if away:
            raise Transient("away")
        return {"t": [len(asked)]}

    position = Shared("store", read, clock)
    assert await asyncio.gather(*(position.now() for _ in range(50))) == [{"t": [1]}] * 50
    assert len(asked) == 1
    clock.advance(REFRESH_S)
    assert await position.now() == {"t": [2]}
    away = True
    clock.advance(REFRESH_S)
    assert await position.now() == {"t": [2]}
    assert len(asked) == 3
