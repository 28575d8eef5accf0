"""Declarations become views, keyspaces and agents; what is wrong with them is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace import agent as agents
from headrace import topology as topologies
from headrace.topology.aggregates import grain_s
from headrace.topology.model import Keyspace
from headrace.topology.problem import Problem
from tests.declared.cases import DECLARED
from tests.declared.place import ORDERS, REQUESTS, SESSIONS, plain, write


def problems(folder: Path, declared: dict[str, Any]) -> list[Problem]:
    _, found = topologies.examine(write(folder, plain(declared)))
    return found


def test_what_is_declared_stands_where_everything_else_looks(tmp_path: Path):
    topology = topologies.load(write(tmp_path, plain(DECLARED)))
    in_redis = {name for name, one in DECLARED.items() if "redis" in one["keep"]}
    assert set(topology.clickhouse.views) == {
        name for name, one in DECLARED.items() if "clickhouse" in one["keep"]
    }
    assert set(topology.agents) == {"analytics", *in_redis}
    assert set(agents.functions(topology)) == set(topology.agents)
    people = topology.agents["people"]
    assert people.reads == (ORDERS, SESSIONS)
    assert people.writes.keyspaces == tuple(
        k for k in topology.redis.keyspaces if k == "people" or k.startswith("people:")
    )
    assert topology.redis.keyspaces["people"].type == "hash"
    assert topology.redis.keyspaces["people:products"] == Keyspace(type="zset", located=True)
    user = topology.redis.keyspaces["user"]
    assert (user.located, user.ttl_hours, user.rings["d"].slots) == (True, 960, 3)
    assert not topology.redis.keyspaces["weeks"].located


def test_a_view_has_the_columns_that_readers_know(tmp_path: Path):
    view = topologies.load(write(tmp_path, plain(DECLARED))).clickhouse.views["minutes"]
    assert view.order_by == ("minute", "region", "currency")
    assert view.partition_by == "toYYYYMM(minute)"
    assert view.columns["minute"] == "DateTime('UTC')"
    assert view.columns["region"] == "LowCardinality(String)"
    assert view.columns["orders"] == "SimpleAggregateFunction(sum, UInt64)"
    assert view.columns["spent"] == "SimpleAggregateFunction(sum, Decimal(38, 2))"
    assert view.columns["shown"] == "AggregateFunction(uniqExact, String)"
    assert view.columns["totals"] == "AggregateFunction(quantilesDD(0.01, 0.1, 0.5, 0.99), Float64)"
    assert list(view.from_) == ["orders"]


@pytest.mark.parametrize(
    ("every", "seconds"), [("1m", 60), ("1d", 86_400), ("7m", 420), ("10s", 10)]
)
def test_metrics_know_how_long_windows_are(tmp_path: Path, every: str, seconds: int):
    one = declared(window={"name": "at", "every": every}, keep="clickhouse")
    view = topologies.load(write(tmp_path, plain(one))).clickhouse.views["it"]
    assert grain_s(view, "at") == seconds


def declared(**parts: Any) -> dict[str, Any]:
    """A declaration that is right but for what is given."""
    one = {
        "from": {ORDERS: {}},
        "key": ["user_id"],
        "fields": {"n": {"count": True}},
        "keep": "redis",
    }
    return {"it": one | parts}


def field(**one: Any) -> dict[str, Any]:
    return declared(fields={"f": one})


@pytest.mark.parametrize(
    ("given", "path", "wrong", "fix"),
    [
        (declared(**{"from": {"nowhere": {}}}), 'from.nowhere', "no such topic", ORDERS),
        (declared(**{"from": {ORDERS: {"where": "typ = 'x'"}}}), 'where', "no field 'typ'", "type"),
        (declared(**{"from": {ORDERS: {"where": "type = 'plaecd'"}}}), "where", "no symbol 'plaecd'", "placed"),  # noqa: E501
        (declared(**{"from": {ORDERS: {"where": "total"}}}), "where", "gives decimal(12, 2)", "compare"),  # noqa: E501
        (declared(**{"from": {ORDERS: {"where": "total >"}}}), "where", "not an expression", "mend"),  # noqa: E501
        (declared(**{"from": {ORDERS: {"where": "UPPER(carrier) = 'X'"}}}), "where", "same in every store", "agents:"),  # noqa: E501
        (declared(**{"from": {ORDERS: {"where": "SUM(total) > 1"}}}), "where", "same in every store", "known"),  # noqa: E501
        (declared(**{"from": {ORDERS: {"where": "total > 1e999"}}}), "where", "beyond its type", "smaller"),  # noqa: E501
        (field(histogram="total", bounds=[1e60]), "histogram", "61 digits", "fewer"),
        (declared(**{"from": {ORDERS: {"each": "total"}}}), "each", "is no list of records", "lines"),  # noqa: E501
        (declared(key=["carrier"]), "key.0", "may be null", "carrier IS NOT NULL"),
        (declared(key=["nothing"]), "key.0", "no such field", "map it"),
        (declared(key=["total"]), "key.0", "is decimal(12, 2)", "text"),
        (declared(time="user_id"), "time", "is text", "timestamp"),
        (declared(window={"gap": "30m"}), "window.gap", "sessions are not windows", "sessions:"),
        (declared(window={"every": "1m", "calendar": "day"}), "window", "every or calendar", "one"),
        (declared(window={"every": "2m", "length": "3m"}), "window.length", "no multiple", "times"),
        (declared(window={"calendar": "day", "zone": "Mars/Base"}), "window.zone", "no such time zone", "Europe/Berlin"),  # noqa: E501
        (declared(window={"every": "1m"}, keep={"redis": {"rings": {"m": {"bucket_s": 1, "slots": 1}}}}), "rings", "rings are windows", "leave"),  # noqa: E501
        (declared(keep={"clickhouse": {"order_by": ["n"]}}), "order_by", "neither key nor window", "user_id"),  # noqa: E501
        (declared(keep={"clickhouse": {"low_cardinality": ["n"]}}), "low_cardinality", "no key of text", "user_id"),  # noqa: E501
        (declared(keep={}), "keep", "kept nowhere", "clickhouse"),
        (declared(keep="clickhouse", key=[]), "key", "orders rows by something", "window"),
        (field(sum="carrier"), "sum", "is text or null", "decimal"),
        (field(sum="CAST(total AS DOUBLE)"), "sum", "is float", "depend on their order"),
        (field(sum="total", count=True), "fields.f", "one aggregate", "count"),
        (field(), "fields.f", "one aggregate", "count"),
        (field(count=True, n=3), "fields.f.n", "count has no n", "leave"),
        (field(top="order_id"), "fields.f", "top needs n", "add n"),
        (field(histogram="total", bounds=[2, 1]), "bounds", "not ascending", "order"),
        (field(quantiles="total", levels=[0.5]), "quantiles", "no sketch", "clickhouse"),
        (field(distinct="order_id"), "distinct", "as they are", "exact: true"),
        (field(min="order_id"), "min", "numbers and times", "clickhouse"),
        (field(sum="total * total * total * total"), "sum", "need 48 digits", "DOUBLE"),
        (field(count=True, **{"from": ["x"]}), "from.0", "no source", ORDERS),
        (declared(keep="clickhouse", fields={"f": {"last": {"a": "total"}}}), "last", "objects are kept in redis", "a field for each"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_fix(
    tmp_path: Path, given: dict[str, Any], path: str, wrong: str, fix: str
):
    found = [p for p in problems(tmp_path, given) if wrong in p.wrong]
    assert found, [str(p) for p in problems(tmp_path, given)]
    assert path in found[0].path.replace('"', "")
    assert fix in found[0].fix
    assert found[0].line > 1


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path):
    wrong = declared(
        key=["carrier"],
        fields={"a": {"sum": "carrier"}, "b": {"top": "x"}},
        window={"gap": "1m"},
    )
    paths = {p.path.removeprefix("declared.it.") for p in problems(tmp_path, wrong)}
    assert paths == {"key.0", "fields.a.sum", "fields.b", "fields.b.top", "window.gap"}


def test_names_that_something_else_has_are_told(tmp_path: Path):
    topology = plain(declared(keep={"redis": {"keyspace": "taken"}}))
    topology["redis"] = {"keyspaces": {"taken": {"type": "hash", "located": True}}}
    _, found = topologies.examine(write(tmp_path, topology))
    assert [(p.path, p.wrong) for p in found] == [
        ("declared.it.keep.redis.keyspace", "there is keyspace 'taken' already")
    ]


def test_first_and_last_of_two_topics_need_an_order(tmp_path: Path):
    both = declared(
        **{"from": {ORDERS: {}, SESSIONS: {}}},
        fields={"f": {"last": "region"}},
    )
    (problem,) = problems(tmp_path, both)
    assert "no order where their times are equal" in problem.wrong


def test_sources_of_different_types_are_told(tmp_path: Path):
    mixed = declared(
        **{"from": {REQUESTS: {"map": {"k": "status", "v": "latency_us"}},
                    ORDERS: {"map": {"k": "user_id", "v": "total"}}}},
        key=["k"],
        fields={"f": {"sum": "v"}},
    )  # fmt: skip
    assert {p.path for p in problems(tmp_path, mixed)} == {
        "declared.it.key.0", "declared.it.fields.f.sum",
    }  # fmt: skip
