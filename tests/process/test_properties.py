"""Whatever happens between the saga and its services, each order ends well and nothing is lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.saga.simulation import Simulation, asked
from bench.saga.wire import PROJECT, Wire
from headrace.process.agent import agent_of
from headrace.process.engine import react
from headrace.process.event import Emitted, Event
from headrace.schema import Encoder, Registry
from loadgen.fulfilment import Faults, Order, Services, orders
from tests.process.story import ORDER, PLACED, key, saga

START_MS = 1_772_366_390_000
share = st.sampled_from([0.0, 0.1, 0.5])


@dataclass
class Run:
    simulation: Simulation
    services: Services
    orders: list[Order]


def simulated(random: Random, faults: Faults, *, tidy: bool, count: int, block: int) -> Run:
    services = Services(faults, random, tidy=tidy)
    placed = list(orders(count, random, faults, START_MS, per_second=2))
    simulation = Simulation(
        saga(), services, faults, random, crashes=0.3, block=block, keep_log=True
    )
    simulation.run(placed)
    return Run(simulation, services, placed)


@st.composite
def faults(draw: st.DrawFn) -> Faults:
    # Never all lost, nor all refused: then nothing would ever come to an end.
    return Faults(*(draw(share) for _ in range(5)))


@settings(max_examples=40)
@given(
    random=st.randoms(use_true_random=True),
    faults=faults(),
    tidy=st.booleans(),
    count=st.integers(1, 12),
    block=st.sampled_from([1, 3, 50]),
)
def test_every_order_ends_with_money_and_stock_conserved(random, faults, tidy, count, block):
    if not tidy:  # services that forget undos must at least say what they did after them
        faults = Faults(faults.refuse, faults.lose, 0.0, faults.late, faults.twice)
    run = simulated(random, faults, tidy=tidy, count=count, block=block)
    books = run.services.books
    assert books.wrong() == []
    for order in run.orders:
        end = run.simulation.seen.ends[order.id]
        assert books.legal(order, end), (order.id, end)
    assert run.simulation.states == {}  # all were forgotten in the end


@settings(max_examples=15)
@given(random=st.randoms(use_true_random=True), faults=faults(), count=st.integers(1, 8))
def test_the_end_does_not_depend_on_how_the_log_is_cut_into_blocks(random, faults, count):
    log = simulated(random, faults, tidy=True, count=count, block=20).simulation.seen.log
    log = log[: random.randint(1, len(log))]  # before all is forgotten
    whole = cut(log, [len(log)])
    assert cut(log, [1] * len(log)) == whole
    sizes = [random.randint(1, len(log)) for _ in log]
    assert cut(log, sizes) == whole


def cut(log: list[tuple[int, dict[str, Any]]], sizes: list[int]) -> Any:
    """States at the end, and what was emitted by topic and key, in order."""
    agent, wire = agent_of(saga()), Wire(saga().process.topic)
    states: dict[str, bytes] = {}
    due: dict[str, int] = {}
    told = defaultdict(list)
    at = 0
    for size in sizes:
        part = log[at : at + size]
        at += size
        if not part:
            break
        frame = wire.block([event for _, event in part], [arrived for arrived, _ in part])
        writes = agent(frame, dict(states))
        assert asked(agent(frame, dict(states))) == asked(writes)
        for emit in writes.events:
            for event in emit.events:
                told[emit.topic, event.get("order_id", event.get("instance"))].append(event)
        for state in writes.state:
            for instance, value in state.values.items():
                states.pop(instance, None)
                due.pop(instance, None)
                if value is not None:
                    states[instance] = value
            due |= state.due
    return states, due, told


_TYPES = sorted({*saga().answers, "order_placed", "cancel_requested", "timer_due",
                 "resume_requested"})  # fmt: skip
_KEYS = [None, "?", *(key(c, n) for c in saga().asks for n in (1, 2, 3))]
_REGISTRY = Registry.load(PROJECT)
step = st.tuples(
    st.sampled_from(_TYPES), st.sampled_from(_KEYS), st.integers(0, 200), st.booleans()
)


@given(steps=st.lists(step, max_size=60))
@example(steps=[("order_placed", None, 0, False), ("cancel_requested", None, 1, False)])
def test_any_events_at_all_leave_a_legal_state(steps):
    """Also answers that no service would give: nothing raises, and what was promised holds."""
    machine, now, at = saga(), None, START_MS
    emitted = Emitted()
    commands = Encoder(_REGISTRY, "commands")
    for number, (type_, answers, later, retryable) in enumerate(steps):
        at += later * 1_000
        holds = frozenset(["retryable"] if retryable else [])
        event = Event(ORDER, f"e{number}", type_, at, at, answers, holds, PLACED)
        before = now
        now = react(machine, before, event, emitted)
        assert react(machine, before, event, Emitted()) == now
        if now is not None:
            assert now.state in machine.states
            assert not (now.stuck and now.due is not None)
            final = machine.states[now.state].final
            assert final or now.stuck or now.due is not None, "nothing would ever happen to it"
    for command in emitted.commands:
        commands.encode(command)
    ids = [command["command_id"] for command in emitted.commands]
    assert len(ids) == len(set(ids))
    numbers = [t["sequence"] for t in emitted.transitions]
    assert numbers == list(range(1, len(numbers) + 1))
    finals = {name for name, state in machine.states.items() if state.final}
    left = {
        (t["from_state"], t["to_state"]) for t in emitted.transitions if t["from_state"] in finals
    }
    assert left <= {("cancelled", "cancelling")}
