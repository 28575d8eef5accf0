"""The short form of `make bench`: everything runs and gives the right results. No timing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console

from bench import cost
from bench.__main__ import CONTESTANTS, measure, services, summarise
from bench.process import ROOT
from headrace import topology
from headrace.endpoints import Endpoints

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def where() -> Iterator[Endpoints]:
    with services() as endpoints:
        yield endpoints


def test_contestants_agree_on_the_answer(where):
    measured = measure(
        where, 20_000, 2_000, 1, Console(quiet=True), timeout=90
    )  # raises on a wrong answer
    rows = summarise(measured)
    assert [row["name"] for row in rows] == [c.name for c in CONTESTANTS]
    assert all(row["events"] >= (2_000 if "Faust" in row["name"] else 20_000) for row in rows)
    assert 70 < measured["value_bytes"] < 90


def test_both_guarantees_deliver_the_whole_backlog(where):
    declared = topology.load(ROOT)
    sent = cost.fill(where, declared, 20_000)
    assert sum(counts["sent"] for counts in sent.values()) == 20_000
    pairs = cost.measure(where, sent, 1, Console(quiet=True), timeout=90)  # raises on wrong rows
    found = cost.summarise(pairs)
    assert found["events"] == 20_000
    assert found["pairs"] == len(found["runs"]) == 1
    assert list(found["guarantees"]) == ["exactly_once", "at_least_once"]
    assert set(found["ratio"]) == set(found["cost_percent"]) == set(cost.MEASURED)
    for run in found["runs"][0]:
        assert set(run["rows"]) == set(declared.clickhouse.tables)
        assert set(run["services_cpu_seconds"]) == {"kafka", "redis", "clickhouse"}
        assert sum(run["blocks"].values()) >= len(declared.topics)
    cost.show(found, Console(quiet=True))

    topic = declared.clickhouse.tables["orders"].topic
    more = {**sent, topic: {**sent[topic], "sent": sent[topic]["sent"] + 1}}
    with pytest.raises(RuntimeError, match="rows of orders"):
        cost.one(where, more, "exactly_once", timeout=90)
    with pytest.raises(RuntimeError, match="hold records already"):
        cost.fill(where, declared, 1)
