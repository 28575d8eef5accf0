"""``headrace.testing`` on agents with state: given events, when run, then states and events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.agent import StatefulAgent, States
from headrace.block import TopicPartition
from headrace.frame import Frame
from headrace.testing import Given, Project
from headrace.writes import Emit, State, Writes
from tests.keyed import project
from tests.keyed.project import balance, book, entry, teller, transfer

ENTRIES, NOTICES = "bank.entries", "bank.notices"


@pytest.fixture
def bank(tmp_path: Path) -> Project:
    project.write(tmp_path)
    return Project(tmp_path)


def kept(held: Any, account: str, partition: int = 0) -> Any:
    return orjson.loads(held.states[partition, "account", account])


def test_states_and_events_come_back(bank: Project):
    log = [entry(n, "ann", cents=n) for n in range(4)] + [entry(9, "bob")]
    held = Given({ENTRIES: log}, bank).when(balance)
    assert kept(held, "ann") == {"entries": 4, "balance": 6, "due": 0}
    assert [event["event_id"] for event in held.events[NOTICES]] == ["e2:third"]
    assert kept(held, "bob")["entries"] == 1


def test_what_is_forgotten_is_not_there(bank: Project):
    held = Given({ENTRIES: [entry(1, "ann"), entry(2, "ann", type="close")]}, bank).when(balance)
    assert held.states == {}


def test_partitions_have_states_of_their_own(bank: Project):
    logs = {TopicPartition(ENTRIES, p): [entry(p, "ann")] * (p + 1) for p in (0, 1)}
    held = Given(logs, bank).when(balance)
    assert [kept(held, "ann", p)["entries"] for p in (0, 1)] == [1, 2]


def test_what_is_emitted_can_be_given_on(bank: Project):
    moved = Given({"bank.transfers": [transfer(n, "ann", "bob", 5) for n in range(3)]}, bank)
    entries = moved.when(teller).events[ENTRIES]
    told = Given({ENTRIES: entries}, bank).when(balance).events[NOTICES]
    rows = Given({NOTICES: told}, bank).when(book).tables["notices"]
    assert {row["account"]: row["balance"] for row in rows} == {"ann": -15, "bob": 15}


def test_timers_fire_when_they_are_due_and_once(bank: Project):
    due = datetime(2026, 3, 1, 10, tzinfo=UTC)
    ms = int(due.timestamp() * 1000)
    given = Given({ENTRIES: [entry(1, "ann", hold_ms=ms), entry(2, "bob", hold_ms=ms + 1)]}, bank)
    assert given.when(balance).due == {(0, "account", "ann"): ms, (0, "account", "bob"): ms + 1}
    held = given.when(balance, now=due)
    assert [e["account"] for e in held.events[NOTICES]] == ["ann"]
    assert held.due == {(0, "account", "bob"): ms + 1}


def forgetful(frame: Frame, states: States) -> Writes:
    """Starts from nothing in every block: what is kept depends on the cut."""
    counts = frame.df["account"].value_counts().iter_rows()
    return Writes(state=(State("account", {a: b"%d" % n for a, n in counts}),))


def unschooled(frame: Frame, states: States) -> Writes:
    return Writes(events=(Emit(NOTICES, [{"event_id": "x"}]),))


def foreign(frame: Frame, states: States) -> Writes:
    return Writes(state=(State("account", {"nobody": b"1"}),))


@pytest.mark.parametrize(
    ("function", "error", "told"),
    [
        (forgetful, AssertionError, "depends on how the events are run"),
        (unschooled, AssertionError, "emitted to 'bank.notices': .*missing"),
        (foreign, Exception, "state of 'nobody'"),
    ],
)
def test_a_broken_promise_is_found(bank: Project, function: Any, error: Any, told: str):
    given = Given({ENTRIES: [entry(n, "ann") for n in range(3)]}, bank)
    with pytest.raises(error, match=told):
        given.when(StatefulAgent(function, "account", "account"))
