"""The short form of `make bench`: everything runs and gives the right results. No timing."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench import compare, cost, rows
from bench.__main__ import services
from bench.field import FIELD, HEADRACE, Contestant
from bench.process import ROOT
from headrace import topology
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def where() -> Iterator[Endpoints]:
    with services() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def topics(where: Endpoints) -> compare.Topics:
    return compare.Topics(where.kafka, Console(quiet=True))


def test_contestants_of_this_environment_agree_on_the_answers(topics):
    """The peers that need an environment of their own take part in `make bench` only."""
    quiet = Console(quiet=True)
    field = [player for player in FIELD if not player.outside]
    assert {player.name for player in field} >= {HEADRACE, "Faust", "aiokafka, getmany"}
    for task in compare.TASKS:
        runs = compare.measure(  # raises on a wrong answer
            topics, task, lambda p: 2_000 if p.slow else 20_000, 1, quiet, field, timeout=90
        )
        summary = compare.summarise(task, runs)
        assert all(
            row["events"] == (2_000 if row["name"] == "Faust" else 20_000) for row in summary
        )
        assert all(row["peak_rss_bytes"] > 20 << 20 for row in summary)
        compare.show(task, summary, quiet)


def test_a_wrong_answer_does_not_count(topics, tmp_path):
    quiet, task = Console(quiet=True), compare.task("decode")
    liar = tmp_path / "liar.py"
    liar.write_text("""print('RESULT {"events": 1, "cpu_seconds": 1, "answer": {"events": 1}}')""")
    player = Contestant("liar", lambda: [sys.executable, str(liar)], liar)
    with pytest.raises(RuntimeError, match="liar: wrong answer to decode"):
        compare.measure(topics, task, lambda _: 1_000, 1, quiet, [player])


def test_a_peer_that_cannot_be_installed_is_named(topics):
    def program() -> list[str]:
        raise ConfigError("no wheel for this Python")

    text = io.StringIO()
    player = Contestant("absent", program, Path(__file__))
    runs = compare.measure(
        topics, compare.task("decode"), lambda _: 1, 1,
        Console(file=text, width=200), [player],
    )  # fmt: skip
    assert runs == {}
    assert "absent can't run here: no wheel for this Python" in text.getvalue()


def test_rows_are_proved(topics, where):
    quiet = Console(quiet=True)
    found = rows.measure(topics, where, 20_000, 1, quiet)  # raises on wrong rows or a wrong view
    assert found["events"] == 20_000
    assert found["clickhouse_per_cpu_second"]["median"] > 0
    rows.show(found, quiet)


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
