"""Where a partition starts, given its commit and how far each sink says it is."""

from __future__ import annotations

import pytest

from headrace.delivery.intent import Position, Reached
from headrace.delivery.start import Start, plan
from headrace.sink import Mark

CH, RE = "clickhouse.t", "redis"


def at(offset: int, last: int | None = None, ch: Reached | None = None, re: Reached | None = None):
    """A commit that records the sinks; by default each holds all below ``offset``."""
    done = Reached(offset - 1)
    return Position(offset, last, {CH: ch or done, RE: re or done})


@pytest.mark.parametrize(
    ("committed", "ch", "re", "start", "applied"),
    [
        pytest.param(None, Mark(-1), Mark(-1), Start(None), (-1, -1), id="all is new"),
        pytest.param(at(10), Mark(9), Mark(9), Start(10), (9, 9), id="nothing in doubt"),
        pytest.param(
            at(10, 19), Mark(9), Mark(9), Start(10, (), (19,)), (9, 9), id="in doubt, none has it"
        ),
        pytest.param(
            at(10, 19), Mark(17), Mark(19), Start(10, (), (19,)), (9, 9),
            id="in doubt: repeated everywhere, a view may lack what its table has",
        ),
        pytest.param(
            at(10, 19), Mark(9), Mark(4), Start(5, (9,), (19,)), (9, 4), id="redis lost its tail"
        ),
        pytest.param(
            at(10), Mark(9), Mark(-1), Start(0, (9,)), (9, -1), id="redis lost everything"
        ),
        pytest.param(at(10), Mark(3), Mark(9), Start(4, (9,)), (3, 9), id="a table was restored"),
        pytest.param(at(10), Mark(6), Mark(3), Start(4, (6, 9)), (6, 3), id="both lost"),
        pytest.param(
            at(10, ch=Reached(5)), Mark(5), Mark(9), Start(10), (9, 9),
            id="the last records had no rows for the table",
        ),
        pytest.param(
            at(10, 14, ch=Reached(29, 30)), Mark(29), Mark(9), Start(10, (30,), (14,)), (30, 9),
            id="crash while redis was being caught up",
        ),
        pytest.param(
            at(10, 14, ch=Reached(29, 30)), Mark(20), Mark(9), Start(10, (20,), (14,)), (20, 9),
            id="crash while redis was being caught up, and the table lost its tail",
        ),
        pytest.param(
            at(10, 14, ch=Reached(29, 29, 39)), Mark(39), Mark(9), Start(10, (29,), (14, 39)),
            (29, 9), id="crash in a catch-up of redis, a block of the table in doubt ahead",
        ),
        pytest.param(
            at(10, 14, ch=Reached(29, 29, 39)), Mark(20), Mark(9), Start(10, (20,), (14,)), (20, 9),
            id="the same, and the table lost its tail, the block in doubt with it",
        ),
        pytest.param(
            at(10, 19, re=Reached(19, 19)), Mark(9), Mark(19), Start(10, (), (19,)), (9, 19),
            id="lease renewed after redis had the block",
        ),
        pytest.param(
            at(10), Mark(9), Mark(3, begun=6), Start(4, (9,), (6,)), (9, 3),
            id="redis lost its tail in the middle of a block",
        ),
        pytest.param(
            at(10, 19), Mark(29), Mark(24, begun=34), Start(10, (24, 29), (19, 34)), (29, 24),
            id="the commit is older than what the sinks hold: a late one overwrote a newer one",
        ),
        pytest.param(
            at(10), Mark(9), Mark(14), Start(10, (14,)), (9, 14),
            id="the commit is older than what redis holds",
        ),
        pytest.param(None, Mark(6), Mark(3), Start(4, (6,)), (6, 3), id="commits expired"),
        pytest.param(None, Mark(-1), Mark(3), Start(0, (3,)), (-1, 3), id="expired, no rows"),
        pytest.param(
            None, Mark(8), Mark(3, begun=9), Start(4, (8,), (9,)), (8, 3),
            id="commits expired in the middle of a block",
        ),
        pytest.param(Position(10), Mark(9), Mark(9), Start(10), (9, 9), id="foreign commit"),
        pytest.param(
            Position(4), Mark(9), Mark(8), Start(4, (8, 9)), (9, 8),
            id="an operator went back: sinks are passed over for what they hold",
        ),
        pytest.param(
            Position(40), Mark(9), Mark(9), Start(40), (39, 39), id="an operator skipped records"
        ),
        pytest.param(
            Position(10, 19), Mark(15), Mark(19), Start(10, (), (19,)), (9, 9),
            id="in doubt, sinks not recorded",
        ),
    ],
)  # fmt: skip
def test_start(committed, ch, re, start, applied):
    planned = plan(committed, {CH: ch, RE: re})
    assert (planned.applied[CH], planned.applied[RE]) == applied
    assert (planned.start.position, planned.start.wholes) == (start.position, start.wholes)
    assert planned.start.ends == start.ends
    assert planned.held == {CH: ch.held, RE: re.held}


def test_without_sinks_that_tell_the_commit_decides():
    assert plan(None, {}).start == Start(None)
    assert plan(Position(7, 9), {}).start == Start(7, (), (9,))
