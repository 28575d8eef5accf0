"""The two laws of every agent: cut the log anywhere, repeat any block; the end state is the same.

Bit for bit: floats compare by ``==`` and sums of them must come out equal in any grouping.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.views import views
from bench.declared import FEATURES, declared
from bench.written.features import features
from headrace import topology
from headrace.agent import AgentFunction, function
from headrace.memory import MemorySink
from headrace.testing import Given, frame, run, step
from tests.strategies import DAY_MS, Event, cuts, event, logs

#: A log is many blocks through many columns, some 100 ms an example.
LAWS = settings(max_examples=settings().max_examples // 2)
SHOP = topology.load()
FED = [
    pytest.param(function(SHOP, name), topic, id=f"{name}-{topic}")
    for name, agent in SHOP.agents.items()
    for topic in agent.reads
]
#: The shop's features, as declared and as the oracle has them.
SIDES = [pytest.param(declared(), id="declared"), pytest.param(features, id="written")]


def replay(
    agent: AgentFunction, topic: str, log: list[Event | None], blocks: list[tuple[int, int]]
) -> MemorySink:
    return run(agent, *(frame(topic, log[a:b], first=a) for a, b in blocks))


@pytest.mark.parametrize(("agent", "topic"), FED)
@LAWS
@given(data=st.data())
def test_where_the_log_is_cut_does_not_matter(
    agent: AgentFunction, topic: str, data: st.DataObject
):
    log = data.draw(logs(topic))
    one, other = (data.draw(cuts(len(log))) for _ in range(2))
    states = [list(replay(agent, topic, log, blocks).state()) for blocks in (one, other)]
    assert states[0] == states[1]


@pytest.mark.parametrize(("agent", "topic"), FED)
@LAWS
@given(data=st.data())
def test_a_repeated_block_changes_nothing(agent: AgentFunction, topic: str, data: st.DataObject):
    log = data.draw(logs(topic))
    blocks = data.draw(cuts(len(log)))
    frames = [frame(topic, log[a:b], first=a) for a, b in blocks]
    sink = MemorySink()
    for i, one in enumerate(frames):
        run(agent, one, sink=sink)
        before = list(sink.state())
        for again in data.draw(st.lists(st.integers(0, i), max_size=3)):
            run(agent, frames[again], sink=sink)
        assert list(sink.state()) == before


@pytest.mark.parametrize("agent", SIDES)
@LAWS
@given(
    times=st.lists(st.integers(-20 * DAY_MS, 2 * DAY_MS), min_size=3, max_size=12),
    cut=st.integers(1, 11),
    random=st.randoms(use_true_random=False),
)
def test_sums_of_scores_do_not_depend_on_grouping_or_order(
    agent: AgentFunction, times: list[int], cut: int, random: Random
):
    """All of one user and product, where rounding would show."""
    log = [event("shop.sessions", t, type="product_view", product_id="p") for t in times]
    mixed = random.sample(log, len(log))
    whole = replay(agent, "shop.sessions", log, [(0, len(log))])
    single = replay(agent, "shop.sessions", mixed, [(i, i + 1) for i in range(len(log))])
    parts = replay(agent, "shop.sessions", mixed, [(0, cut), (cut, max(cut, len(log)))])
    for key in ((0, "product:trending", "all"), (0, "user:affinity:product", "u1")):
        assert whole.redis[key] == single.redis[key] == parts.redis[key]


@pytest.mark.parametrize("agent", [*SIDES, pytest.param(views, id="views")])
@LAWS
@given(data=st.data())
def test_topics_may_take_any_turns_and_workers_die(agent: AgentFunction, data: st.DataObject):
    """Sessions and orders feed the same keys; only the order within a topic is given."""
    log = {topic: data.draw(logs(topic, 8)) for topic in ("shop.sessions", "shop.orders")}
    Given(log).when(agent, disturbed=2)


@pytest.mark.parametrize(("agent", "topic"), FED)
@LAWS
@given(data=st.data())
def test_an_agent_is_a_function(agent: AgentFunction, topic: str, data: st.DataObject):
    """The same frame gives the same writes in the same order: chunks of Redis depend on it."""
    one = frame(topic, data.draw(logs(topic)))
    (_, first), (_, second) = step(agent, one), step(agent, one)
    assert all(a.frame.equals(b.frame) for a, b in zip(first.rows, second.rows, strict=True))
    assert all(a.frame.equals(b.frame) for a, b in zip(first.redis, second.redis, strict=True))


def test_the_laws_cover_every_agent():
    assert {p.id.partition("-")[0] for p in FED} == {"analytics", "views", *FEATURES}
