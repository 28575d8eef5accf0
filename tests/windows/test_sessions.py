"""Sessions of any log, cut anywhere, against plain Python over all its events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.topology.sessions import Sessions
from headrace.windows.intervals import Session
from headrace.windows.kept import Kept, pack, unpack
from headrace.windows.session_agent import SessionAgent
from tests.windows.driver import Driver, Row, current, cuts, frame, relapsed, times

HOUR = 3_600_000
KINDS = ["view", "buy"]
SCHEMA: dict[str, Any] = {
    "user": pl.String(),
    "device": pl.Enum(["phone", "desk"]),
    "at": pl.Datetime("ms", "UTC"),
    "kind": pl.Enum(KINDS),
    "page": pl.String(),
    "units": pl.Int32(),
    "amount": pl.Decimal(12, 2),
}
DECLARED: dict[str, Any] = {
    "reads": "t",
    "key": ["user", "device"],
    "time": "at",
    "where": "page IS NULL OR page <> 'health'",
    "gap_s": 1800,
    "keep_hours": 5,
    "fields": {
        "entry": {"first": "page"},
        "exit": {"last": "page"},
        "bought_on": {"last": "page", "where": "kind = 'buy'"},
        "conversions": {"count": "kind = 'buy'"},
        "units": {"sum": "units"},
        "spent": {"sum": "amount", "where": "kind = 'buy'"},
        "least": {"min": "amount"},
        "most": {"max": "units"},
    },
    "into": "out",
}


def sessions(**changed: Any) -> Sessions:
    return Sessions.model_validate(DECLARED | changed)


def agent(declared: Sessions) -> SessionAgent:
    return SessionAgent("visits", declared, "visits:state", "visits:late")


GAP, KEEP = 1_800_000, 5 * HOUR


def events(hours: int) -> st.SearchStrategy[list[Row]]:
    """Logs that go on for so many hours, with much that is late."""
    rest = st.fixed_dictionaries(
        {
            "user": st.sampled_from(["ann", "ann", "ann", "bob"]),
            "device": st.sampled_from(["phone", "phone", "phone", "desk"]),
            "kind": st.sampled_from(KINDS),
            "page": st.none() | st.sampled_from(["a", "b", "c", "health"]),
            "units": st.none() | st.integers(0, 9),
            "amount": st.none() | st.decimals("-99", "99", places=2),
        }
    )

    def rows(at: list[int]) -> st.SearchStrategy[list[Row]]:
        each = [rest.map(lambda row, ms=ms: row | {"at": ms}) for ms in at]  # type: ignore[misc]
        return st.tuples(*each).map(list)

    return times([GAP, KEEP], hours).flatmap(rows)


def oracle(log: list[Row], declared: Sessions) -> tuple[list[Row], list[Row]]:
    """The sessions, and late events as sessions, in plain Python: sort, then split at gaps."""
    newest: dict[str, int] = {}
    on_time: dict[tuple[str, str], list[tuple[int, int, Row]]] = {}
    late = []
    for offset, row in enumerate(log):
        if row["page"] == "health":
            continue
        user, at = row["user"], row["at"]
        if at < newest.get(user, at) - declared.keep_hours * HOUR:
            late.append(_session([(at, offset, row)]) | {"late": True})
            continue
        newest[user] = max(at, newest.get(user, at))
        on_time.setdefault((user, row["device"]), []).append((at, offset, row))
    found = []
    for group in on_time.values():
        group.sort(key=lambda entry: entry[:2])
        run = [group[0]]
        for entry in group[1:]:
            if entry[0] - run[-1][0] > declared.gap_s * 1000:
                found.append(_session(run))
                run = []
            run.append(entry)
        found.append(_session(run))
    return found, late


def _session(run: list[tuple[int, int, Row]]) -> Row:
    rows = [row for _, _, row in run]
    bought = [row for row in rows if row["kind"] == "buy"]
    amounts = [row["amount"] for row in rows if row["amount"] is not None]
    units = [row["units"] for row in rows if row["units"] is not None]
    spent = sum((r["amount"] for r in bought if r["amount"] is not None), Decimal("0.00"))
    return {
        "user": rows[0]["user"],
        "device": rows[0]["device"],
        "started_at": run[0][0],
        "ended_at": run[-1][0],
        "length_ms": run[-1][0] - run[0][0],
        "events": len(run),
        "version": max(offset for _, offset, _ in run),
        "late": False,
        "entry": rows[0]["page"],
        "exit": rows[-1]["page"],
        "bought_on": bought[-1]["page"] if bought else None,
        "conversions": len(bought),
        "units": sum(units),
        "spent": f"{spent:.2f}",
        "least": f"{min(amounts):.2f}" if amounts else None,
        "most": max(units, default=None),
    }


def plain(rows: Any) -> list[Row]:
    """Without ids and signs, in an order that does not depend on them."""
    hidden = {"event_id", "session_id", "retracted"}
    kept = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    return sorted(kept, key=lambda row: (row["user"], row["device"], row["version"]))


@given(log=events(hours=4), cut=cuts())
def test_within_the_bound_no_order_matters(log: list[Row], cut: list[int]):
    found, late = oracle(log, sessions())
    assert not late
    ran = Driver(agent(sessions())).run(log, SCHEMA, cut)
    assert plain(current(ran.told, "session_id").values()) == plain(found)


@given(log=events(hours=20), cut=cuts(), late=st.sampled_from(["keep", "drop"]))
def test_past_the_bound_what_is_late_follows_from_the_log(
    log: list[Row], cut: list[int], late: Any
):
    declared = sessions(late=late)
    found, alone = oracle(log, declared)
    ran = Driver(agent(declared)).run(log, SCHEMA, cut)
    expected = found + (alone if late == "keep" else [])
    assert plain(current(ran.told, "session_id").values()) == plain(expected)
    assert ran.late["events"] == len(alone)


@given(log=events(hours=20), cuts_=st.tuples(cuts(), cuts()))
def test_states_do_not_depend_on_the_cut(log: list[Row], cuts_: tuple[list[int], list[int]]):
    declared = sessions()
    one, other = (Driver(agent(declared)).run(log, SCHEMA, cut) for cut in cuts_)
    assert one.states == other.states
    assert current(one.told, "session_id") == current(other.told, "session_id")


@given(
    log=events(hours=16),
    cuts_=st.tuples(cuts(), cuts()),
    blocks=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_blocks_that_come_again_cut_differently_leave_nothing_behind(
    log: list[Row], cuts_: tuple[list[int], list[int]], blocks: tuple[int, int]
):
    """As when Redis loses its tail: what was told of the old blocks can't be untold."""
    declared = sessions()
    ran = relapsed(lambda: Driver(agent(declared)), log, SCHEMA, *cuts_, blocks)
    found, alone = oracle(log, declared)
    assert plain(current(ran.told, "session_id").values()) == plain(found + alone)


def test_a_session_that_only_another_cut_told_of_is_taken_back():
    """It began at minute 50, then one before it came in the same block."""
    log = [
        {"user": "ann", "device": "desk", "at": minute * 60_000, "kind": "view"}
        for minute in (50, 5, 30)
    ]
    ran = relapsed(lambda: Driver(agent(sessions())), log, SCHEMA, [1], [], (1, 1))
    assert [t["started_at"] // 60_000 for t in current(ran.told, "session_id").values()] == [5]


@pytest.mark.parametrize("cut", [[], [1, 2]])
@pytest.mark.parametrize(
    "at",
    [
        (0, GAP, 2 * GAP + 1),
        (0, KEEP + GAP, GAP),  # just in time for a session that nothing later can touch
        (0, KEEP + GAP, GAP - 1),
        (0, KEEP + GAP + 1, GAP),
        (0, KEEP, 0),
        (0, KEEP + 1, 0),
    ],
)
def test_at_the_bounds(at: tuple[int, ...], cut: list[int]):
    log = [{"user": "ann", "device": "desk", "at": ms, "kind": "buy", "page": "a"} for ms in at]
    log = [row | {"units": 1, "amount": Decimal("1.00")} for row in log]
    found, alone = oracle(log, sessions())
    ran = Driver(agent(sessions())).run(log, SCHEMA, cut)
    assert plain(current(ran.told, "session_id").values()) == plain(found + alone)


def test_a_late_event_joins_two_sessions_and_takes_back_the_later_one():
    def at(minutes: int) -> Row:
        return {"user": "ann", "device": "desk", "at": minutes * 60_000, "kind": "view"}

    log = [at(0), at(50), at(25)]
    told = Driver(agent(sessions(fields={}))).run(log, SCHEMA, [1, 2]).told
    assert [(t["started_at"] // 60_000, t["version"], t["retracted"]) for t in told] == [
        (0, 0, False), (50, 1, False), (50, 2, True), (0, 2, False),
    ]  # fmt: skip
    assert told[2]["session_id"] == told[1]["session_id"]


def test_what_is_kept_is_bounded_by_the_declared_hours():
    day = [
        {"user": "ann", "device": "desk", "at": hour * HOUR, "kind": "view"} for hour in range(200)
    ]
    ran = Driver(agent(sessions()))
    kept = set()
    for i in range(0, 200, 10):
        ran.take(frame(day[i : i + 10], SCHEMA, i))
        kept.update(len(ones) for ones in unpack(ran.states["ann"]).sessions.values())
    assert kept == {6}  # those of the last five hours and the newest


@pytest.mark.parametrize("big", [2**62, 10**30])
def test_sums_beyond_64_bits_are_kept_exactly(big: int):
    kept = Kept(5, {("x",): [Session(1, 2, 3, 4, (big, -big, None, (1, 2, "v")))]})
    assert unpack(pack(kept)) == kept
