"""Every event of every topic to its table, as it is."""

from __future__ import annotations

import pytest

from agents.analytics import TABLES, analytics
from headrace import topology
from headrace.testing import frame, run
from tests.strategies import START_MS, TOPICS, event


@pytest.mark.parametrize("topic", TOPICS)
def test_each_event_is_one_row_with_its_position(topic: str):
    one = frame(topic, [event(topic), None, event(topic, 7)], partition=2, first=40)
    state = run(analytics, one)
    assert list(state.tables) == [topology.load().topics[topic].schema_]
    (rows,) = state.tables.values()
    assert [(r["_partition"], r["_offset"]) for r in rows] == [(2, 40), (2, 42)]
    assert [r["occurred_at"].timestamp() * 1000 for r in rows] == [START_MS, START_MS + 7]
    assert state.redis == {}


def test_tables_are_those_the_topology_declares():
    declared = topology.load().clickhouse.tables
    assert {table.topic: name for name, table in declared.items()} == TABLES
