"""Where a partition starts, given its commit and how far each sink is."""

from __future__ import annotations

import pytest

from headrace.delivery.delivery import Start, plan_start, skip_to
from headrace.delivery.intent import Position

SINKS = ("clickhouse", "redis")


@pytest.mark.parametrize(
    ("committed", "applied_to", "start"),
    [
        pytest.param(None, {}, Start(None), id="new group, new sinks"),
        pytest.param(None, {"redis": -1}, Start(None), id="new group, empty sink"),
        pytest.param(Position(10), {}, Start(10), id="no block in doubt"),
        pytest.param(Position(10, 19), {"redis": 9}, Start(10, (), (10, 19)), id="in doubt"),
        pytest.param(Position(10, 19), {"redis": 19}, Start(10, (), (10, 19)), id="one has it"),
        pytest.param(
            Position(10, 19), {"redis": 4}, Start(5, (9,), (10, 19)), id="redis lost its tail"
        ),
        pytest.param(Position(10), {"redis": -1}, Start(0, (9,)), id="redis lost everything"),
        pytest.param(
            Position(10), {"redis": 3, "clickhouse": 6}, Start(4, (6, 9)), id="both behind"
        ),
        pytest.param(None, {"redis": 3, "clickhouse": 6}, Start(4, (3, 6)), id="commits expired"),
    ],
)
def test_start(committed, applied_to, start):
    assert plan_start(committed, applied_to, SINKS) == start


def test_a_sink_that_cannot_tell_skips_what_was_committed():
    assert skip_to(Position(10, 19), {"redis": 4}, SINKS) == {"clickhouse": 9, "redis": 4}
    assert skip_to(None, {"redis": 4}, SINKS) == {"redis": 4}
