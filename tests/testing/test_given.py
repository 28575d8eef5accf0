"""The harness passes agents that keep their promises and fails each way of breaking one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from headrace.agent import AgentFunction
from headrace.block import TopicPartition
from headrace.frame import Frame
from headrace.schema import EncodeError
from headrace.sink import BlockRange
from headrace.testing import Given, Project
from headrace.testing.stores import Stores, updates
from headrace.writes import NOTHING, Kind, RedisOps, Rows, Writes
from tests.strategies import event

ORDERS, SESSIONS = "shop.orders", "shop.sessions"
LOG = [event(ORDERS, at, order_id=f"o{at}") for at in range(4)]


def counted(delta: pl.Expr, entity: pl.Expr, frame: Frame) -> RedisOps:
    rows = frame.df.select(id=entity, field=pl.lit("n"), delta=delta.cast(pl.Int64))
    return RedisOps(Kind.ADD, "n", rows)


def faithful(frame: Frame) -> Writes:
    """A row and an update a record."""
    rows = Rows("orders", frame.df.select("order_id", "_offset"))
    return Writes((rows,), (counted(pl.lit(1), pl.col("order_id"), frame),))


def of_blocks(frame: Frame) -> Writes:
    """Counts blocks, so it depends on the cut."""
    if not len(frame):
        return NOTHING
    one = Frame(frame.block, frame.df[:1])
    return Writes(redis=(counted(pl.lit(1), pl.lit("blocks"), one),))


def of_turns() -> AgentFunction:
    """Keeps the topic that came last: between topics the log has no order."""
    turns = count()

    def agent(frame: Frame) -> Writes:
        rows = frame.df.select(
            id=pl.lit("x"),
            field=pl.lit("topic"),
            value=pl.lit(frame.topic),
            version=pl.lit(f"{next(turns):09}"),
        )
        return Writes(redis=(RedisOps(Kind.LAST, "last", rows),))

    return agent


def of_memory() -> AgentFunction:
    """Remembers what it has seen: a block that comes again is empty."""
    seen: set[str] = set()

    def agent(frame: Frame) -> Writes:
        new = frame.df.filter(~pl.col("order_id").is_in(list(seen)))
        seen.update(new["order_id"])
        return faithful(Frame(frame.block, new))

    return agent


def of_order() -> AgentFunction:
    """Gives its updates in another order when asked again: what is half-written goes wrong."""
    calls = count()

    def agent(frame: Frame) -> Writes:
        turned = frame.df.reverse() if next(calls) % 2 else frame.df
        return faithful(Frame(frame.block, turned))

    return agent


def test_what_the_agents_wrote_comes_back():
    held = Given({ORDERS: [*LOG, None]}).when(faithful)
    assert [row["_offset"] for row in held.tables["orders"]] == [0, 1, 2, 3]
    assert held.redis[0, "n", "o3"] == {"n": 1}


def test_partitions_have_offsets_of_their_own():
    logs = {TopicPartition(ORDERS, p): LOG[: p + 1] for p in (0, 1)}
    held = Given(logs).when(faithful)
    assert {key[0] for key in held.redis} == {0, 1}
    assert [row["_offset"] for row in held.tables["orders"]] == [0, 0, 1]


def test_no_events_leave_nothing():
    assert list(Given({ORDERS: []}).when(faithful).state()) == []


def test_several_agents_share_a_block():
    held = Given({ORDERS: LOG}).when(faithful, faithful)
    assert len(held.tables["orders"]) == 2 * len(LOG)
    assert held.redis[0, "n", "o0"] == {"n": 2}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: of_blocks, r"shop\.orders\[0\]@3-3: applied"),
        (of_memory, r"-.*'o0'"),
        (of_order, r"@1-2: died with tables .*, 1 of 2 updates"),
    ],
)
def test_a_broken_promise_is_found_and_told(made: Callable[[], AgentFunction], told: str):
    with pytest.raises(AssertionError, match="depends on how the events are run") as found:
        Given({ORDERS: LOG}).when(made())
    assert found.match(f"(?s){told}")


def test_an_order_between_topics_is_found():
    given = Given({ORDERS: LOG, SESSIONS: [event(SESSIONS)] * 4})
    with pytest.raises(AssertionError, match=r"shop\.sessions"):
        given.when(of_turns())


def test_the_same_events_get_the_same_runs():
    texts = []
    for _ in range(2):
        with pytest.raises(AssertionError) as found:
            Given({ORDERS: LOG}).when(of_blocks)
        texts.append(str(found.value))
    assert texts[0] == texts[1]


def test_an_event_that_is_none_is_refused():
    with pytest.raises(EncodeError, match="order_id"):
        Given({ORDERS: [event(ORDERS, order_id=1)]}).when(faithful)


def test_an_event_that_would_be_set_aside_is_refused():
    given = Given({ORDERS: [LOG[0], event(ORDERS, total="-1.00")]})
    with pytest.raises(AssertionError, match=r"shop\.orders\[0\]@1 is set aside \(rule\): .*total"):
        given.when(faithful)


def test_a_project_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    elsewhere = Project(Path.cwd())
    monkeypatch.chdir(tmp_path)
    assert Given({ORDERS: LOG}, within=elsewhere).when(faithful).tables["orders"]


def test_stores_go_on_where_they_were_left():
    stores = Stores()
    block = BlockRange(ORDERS, 0, 0, 2)
    ids = pl.DataFrame({"id": ["a", "b", "c"], "field": "n", "delta": 1})
    writes = Writes((Rows("x", ids), Rows("y", ids)), (RedisOps(Kind.ADD, "n", ids),))
    assert len(updates(writes)) == 3
    stores.part(block, writes, ["y"], 2)
    assert (set(stores.tables), len(stores.redis)) == ({"y"}, 2)
    stores.part(block, writes, [], 1)  # another worker, which came less far
    for _ in range(2):
        stores.take(block, writes)
        stores.part(block, writes, ["x"], 3)
    assert {name: len(rows) for name, rows in stores.tables.items()} == {"x": 3, "y": 3}
    assert {key[2]: held["n"] for key, held in stores.redis.items()} == {"a": 1, "b": 1, "c": 1}
