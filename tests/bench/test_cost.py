"""The arithmetic of what exactly once costs, and what makes a run not count."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench import cost
from bench.__main__ import parse
from bench.cost import Held, Run
from bench.process import ROOT
from headrace import topology

RIGHT = {"orders": Held(10, 10)}


def run(guarantee: str, wall: float, cpu: float, services: float = 0.0, others: float = 0.0) -> Run:
    return Run(
        guarantee=guarantee,
        events=1_000,
        wall_seconds=wall,
        cpu_seconds=cpu,
        services_cpu_seconds={"kafka": services},
        peak_rss_bytes=1,
        others_cpu_share=others,
        blocks={"a": 1, "b": 2},
        commits=4,
        commit_seconds=0.02,
        sink_seconds={},
        sink_retries={},
        rows={},
    )


def pair(exactly: tuple[float, float, float], at_least: tuple[float, float, float]) -> cost.Pair:
    return {
        "exactly_once": run("exactly_once", *exactly),
        "at_least_once": run("at_least_once", *at_least),
    }


def test_ratios_are_of_pairs_and_the_cost_of_their_median():
    found = cost.summarise(
        [
            pair((2.0, 1.0, 1.0), (1.0, 1.0, 0.0)),  # half the throughput
            pair((10.0, 5.0, 5.0), (8.0, 4.0, 4.0)),
            pair((1.0, 1.0, 0.0), (1.0, 0.9, 0.1)),
        ]
    )
    assert found["ratio"]["per_second"] == {"min": 0.5, "median": 0.8, "max": 1.0}
    assert found["ratio"]["per_cpu_second"] == {"min": 0.8, "median": 0.9, "max": 1.0}
    assert found["ratio"]["per_cpu_second_of_all"] == {"min": 0.5, "median": 0.8, "max": 1.0}
    assert found["cost_percent"] == {
        "per_second": 20.0, "per_cpu_second": 10.0, "per_cpu_second_of_all": 20.0
    }  # fmt: skip
    assert found["guarantees"]["at_least_once"]["per_second"]["median"] == 1_000
    assert found["guarantees"]["exactly_once"]["blocks"]["max"] == 3
    assert found["guarantees"]["exactly_once"]["commit_ms"]["median"] == 5.0
    assert [r["guarantee"] for r in found["runs"][0]] == ["exactly_once", "at_least_once"]


def shown(pairs: list[cost.Pair]) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    cost.show(cost.summarise(pairs), console)
    return " ".join(console.export_text().split())


def test_the_table_tells_the_cost():
    text = shown([pair((1.25, 1.0, 0.0), (1.0, 1.0, 0.0))])
    assert "0.800" in text
    assert "costs 20.0 % of the throughput, 0.0 %" in text
    assert "Other processes" not in text


def test_a_disturbed_measurement_says_so():
    quiet = pair((1.0, 1.0, 0.0), (1.0, 1.0, 0.0))
    disturbed = {**quiet, "exactly_once": run("exactly_once", 1.0, 1.0, others=0.4)}
    assert "Other processes had up to 40% of the CPUs" in shown([quiet, disturbed])


@pytest.mark.parametrize("guarantee", cost.GUARANTEES)
def test_a_row_of_each_event_is_right(guarantee):
    assert cost.differences(guarantee, {"orders": 10}, RIGHT) == []


@pytest.mark.parametrize("guarantee", cost.GUARANTEES)
@pytest.mark.parametrize("held", [Held(9, 9), Held(10, 9), Held(11, 11)])
def test_a_lost_or_foreign_event_is_wrong(guarantee, held):
    assert cost.differences(guarantee, {"orders": 10}, {"orders": held})


def test_only_at_least_once_may_hold_an_event_twice():
    twice = {"orders": Held(11, 10)}
    assert cost.differences("at_least_once", {"orders": 10}, twice) == []
    assert cost.differences("exactly_once", {"orders": 10}, twice) == [
        "rows of orders: 11, sent were 10"
    ]


def test_a_variant_is_the_project_in_places_of_its_own(tmp_path):
    declared = topology.load(ROOT)
    found = cost.variant(tmp_path, "at_least_once", "bench_1", max_rows=500)
    assert found.name == found.clickhouse.database == found.redis.prefix == "bench_1"
    assert found.delivery.guarantee == "at_least_once"
    assert found.delivery.max_rows == 500
    assert found.topics == declared.topics
    assert found.agents == declared.agents
    assert found.clickhouse.views == declared.clickhouse.views
    assert found == topology.load(tmp_path)


def test_both_parts_run_unless_one_is_asked_for():
    asked = parse([])
    assert (asked.only, asked.sink_events, asked.pairs) == (None, 1_000_000, 5)
    assert parse(["--only", "cost"]).only == ["cost"]
