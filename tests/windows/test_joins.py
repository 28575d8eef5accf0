"""Joins of any two logs in any interleaving, cut anywhere, against plain Python over both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.topology.joins import Join
from headrace.windows.join_agent import JoinAgent
from headrace.windows.sides import Sides
from tests.windows.driver import Driver, Row, current, cuts, frame, times

HOUR = 3_600_000
TIME = pl.Datetime("ms", "UTC")
LINE = pl.Struct({"product": pl.String(), "units": pl.Int32()})
ORDERS: dict[str, Any] = {"user": pl.String(), "at": TIME, "lines": pl.List(LINE)}
CARDS: dict[str, Any] = {
    "product": pl.String(),
    "since": TIME,
    "type": pl.Enum(["set", "removed"]),
    "price": pl.Decimal(9, 2),
}
SCHEMAS = {"orders": ORDERS, "cards": CARDS}
VIA: dict[str, Any] = {
    "event_id": pl.String(),
    "key": pl.String(),
    "side": pl.String(),
    "occurred_at": TIME,
    "source_partition": pl.Int32(),
    "source_offset": pl.Int64(),
    "item": pl.Int32(),
    "payload": pl.String(),
}
OF = {
    "topic": "orders",
    "key": ["lines.product"],
    "time": "at",
    "each": "lines",
    "fields": {"user": "user", "units": "lines.units"},
}
WITH = {"topic": "cards", "key": ["product"], "time": "since", "fields": {"price": "price"}}
WITHIN_S = 5_400
KEEP = 5 * HOUR


class Sent(NamedTuple):
    """An event as it stands in the log of its topic."""

    topic: str
    partition: int
    offset: int
    row: Row


def join(match: str, **changed: Any) -> Join:
    bound = {} if match == "as_of" else {"within_s": WITHIN_S}
    with_ = WITH | ({"deletes": "type = 'removed'"} if match == "as_of" else {})
    declared = {"of": OF, "with": with_, "match": match, "keep_hours": 5, "via": "v", "into": "out"}
    return Join.model_validate(declared | bound | changed)


def logs(hours: int) -> st.SearchStrategy[list[Sent]]:
    """Events of both topics in the order in which they come to the topic of both."""
    product = st.sampled_from(["p", "p", "p", "q"])
    line = st.fixed_dictionaries(
        {"product": product | product | st.none(), "units": st.integers(1, 9)}
    )
    order = st.fixed_dictionaries({"lines": st.lists(line, max_size=2)})
    card = st.fixed_dictionaries(
        {
            "product": product,
            "type": st.sampled_from(["set", "set", "removed"]),
            "price": st.decimals("0", "99", places=2),
        }
    )

    def sent(at: int) -> st.SearchStrategy[tuple[str, int, Row]]:
        one = order.map(lambda row: row | {"user": "ann", "at": at})
        other = card.map(lambda row: row | {"since": at})
        partition = st.integers(0, 1)
        both = (
            st.tuples(st.just("orders"), partition, one),
            st.tuples(st.just("cards"), partition, other),
        )
        return both[0] | both[1]

    bounds = [WITHIN_S * 1000, KEEP]
    drawn = times(bounds, hours).flatmap(lambda at: st.tuples(*map(sent, at)))
    return drawn.map(list).map(_placed)


def _placed(drawn: list[tuple[str, int, Row]]) -> list[Sent]:
    at: Counter[tuple[str, int]] = Counter()
    sent = []
    for topic, partition, row in drawn:
        sent.append(Sent(topic, partition, at[topic, partition], row))
        at[topic, partition] += 1
    return sent


def via(log: list[Sent], declared: Join) -> list[Row]:
    """What the agent of both sides sends, in this order."""
    agent = Sides(declared)
    rows: list[Row] = []
    for sent in log:
        one = frame([sent.row], SCHEMAS[sent.topic], sent.offset, sent.topic, sent.partition)
        for emit in agent(one).events:
            rows.extend(map(dict, emit.events))
    return rows


def run(log: list[Sent], declared: Join, cut: list[int]) -> Driver:
    agent = JoinAgent("joined", declared, "joined:state", "joined:late")
    return Driver(agent).run(via(log, declared), VIA, cut)


class Taken(NamedTuple):
    """An event of one side as the oracle sees it; ``at`` is its place in the topic of both."""

    side: str
    time: int
    place: tuple[int, int, int]
    at: int
    row: Row
    horizon: float


def taken(log: list[Sent]) -> dict[str, list[Taken]]:
    """By key, in log order."""
    found: dict[str, list[Taken]] = defaultdict(list)
    newest: dict[str, float] = defaultdict(lambda: float("-inf"))
    at = 0
    for sent in log:
        for key, side, time, item, row in _parts(sent):
            place = (sent.partition, sent.offset, item)
            found[key].append(Taken(side, time, place, at, row, newest[key] - KEEP))
            newest[key] = max(newest[key], time)
            at += 1
    return found


def _parts(sent: Sent) -> Iterator[tuple[str, str, int, int, Row]]:
    if sent.topic == "cards":
        yield sent.row["product"], "with", sent.row["since"], 0, sent.row
        return
    for item, line in enumerate(sent.row["lines"]):
        if line["product"] is not None:
            yield line["product"], "of", sent.row["at"], item, line


def oracle(log: list[Sent], declared: Join) -> tuple[list[Any], Counter[str]]:
    """The pairs as (time, units, late, time of the match, price), and late events by side.

    An event of ``of`` that is in time is matched with all that its key was told of before it, and
    later for as long as it was not past the bound.
    """
    pairs: list[Any] = []
    late: Counter[str] = Counter()
    for events in taken(log).values():
        late.update(e.side for e in events if e.time < e.horizon)
        changes = [e for e in events if e.side == "with"]
        for one in events:
            if one.side != "of":
                continue
            mine = (one.time, one.row["units"])
            if one.time < one.horizon:
                if declared.late == "keep":
                    pairs.append((*mine, True, None, None))
                continue
            known = [c for c in changes if c.at < one.at or c.horizon <= one.time]
            back = float("inf") if declared.within_s is None else declared.within_s * 1000
            known = [c for c in known if one.time - back <= c.time <= one.time]
            known.sort(key=lambda c: (c.time, c.place))
            if declared.match != "all":
                known = known[:1] if declared.match == "first" else known[-1:]
            if declared.with_.deletes is not None:
                known = [c for c in known if c.row["type"] == "set"]
            pairs.extend((*mine, False, c.time, f"{c.row['price']:.2f}") for c in known)
            if not known and declared.unmatched == "keep":
                pairs.append((*mine, False, None, None))
    return pairs, late


def shown(told: list[Row]) -> list[Any]:
    """What stands, as the oracle shows it."""
    stands = current(told, "pair_id").values()
    rows = [(r["occurred_at"], r["units"], r["late"], r["matched_at"], r["price"]) for r in stands]
    assert all(r["matched"] == (r["matched_at"] is not None) for r in stands)
    return sorted(rows, key=repr)


MATCHES = st.sampled_from(["as_of", "last", "first", "all"])


@given(log=logs(hours=4), cut=cuts(), match=MATCHES, unmatched=st.sampled_from(["keep", "drop"]))
def test_within_the_bound_no_order_matters(
    log: list[Sent], cut: list[int], match: str, unmatched: str
):
    declared = join(match, unmatched=unmatched)
    pairs, late = oracle(log, declared)
    assert not late
    assert shown(run(log, declared, cut).told) == sorted(pairs, key=repr)


@given(
    log=logs(hours=16),
    cut=cuts(),
    match=MATCHES,
    unmatched=st.sampled_from(["keep", "drop"]),
    late=st.sampled_from(["keep", "drop"]),
)
def test_past_the_bound_what_is_corrected_follows_from_the_log(
    log: list[Sent], cut: list[int], match: str, unmatched: str, late: str
):
    declared = join(match, unmatched=unmatched, late=late)
    pairs, counted = oracle(log, declared)
    ran = run(log, declared, cut)
    assert shown(ran.told) == sorted(pairs, key=repr)
    assert ran.late == counted


@given(log=logs(hours=16), cuts_=st.tuples(cuts(), cuts()), match=MATCHES)
def test_neither_states_nor_what_is_told_depend_on_the_cut(
    log: list[Sent], cuts_: tuple[list[int], list[int]], match: str
):
    one, other = (run(log, join(match, unmatched="keep"), cut) for cut in cuts_)
    assert one.states == other.states
    assert sorted(one.told, key=repr) == sorted(other.told, key=repr)


@given(log=logs(hours=16), cut=cuts(), match=MATCHES)
def test_pairs_add_up_by_their_signs(log: list[Sent], cut: list[int], match: str):
    """A pair that is taken back carries what it was added with, and never comes again."""
    told = run(log, join(match, unmatched="keep"), cut).told
    by_pair: dict[str, list[Row]] = defaultdict(list)
    for row in told:
        by_pair[row["pair_id"]].append(row)
    hidden = {"event_id", "version", "retracted"}
    for rows in by_pair.values():
        assert [row["retracted"] for row in rows] in ([False], [False, True])
        assert len({repr({k: v for k, v in r.items() if k not in hidden}) for r in rows}) == 1


WITHIN = WITHIN_S * 1000


@pytest.mark.parametrize("cut", [[], [1, 2]])
@pytest.mark.parametrize("match", ["as_of", "last", "first", "all"])
@pytest.mark.parametrize(
    "events",
    [
        (("one", WITHIN), ("other", 0)),
        (("one", WITHIN + 1), ("other", 0)),
        (("other", 0), ("one", KEEP + WITHIN), ("one", WITHIN)),  # in time for one just kept
        (("other", 0), ("one", KEEP + WITHIN + 1), ("one", WITHIN)),
        (("one", 0), ("one", KEEP), ("other", 0)),
        (("one", 0), ("one", KEEP + 1), ("other", 0)),  # past the bound: what was told stays
        (("other", 1), ("one", 2), ("other", 0)),
        (("other", 1), ("one", 2), ("other", 2)),
        (("one", 2), ("other", 0), ("other", 3)),
    ],
)
def test_at_the_bounds(events: tuple[tuple[str, int], ...], match: str, cut: list[int]):
    log = []
    for offset, (side, at) in enumerate(events):
        if side == "other":
            row = {"product": "p", "since": at, "type": "set", "price": Decimal(offset)}
        else:
            row = {"user": "ann", "at": at, "lines": [{"product": "p", "units": offset}]}
        log.append(Sent("cards" if side == "other" else "orders", 0, offset, row))
    declared = join(match, unmatched="keep")
    assert shown(run(log, declared, cut).told) == sorted(oracle(log, declared)[0], key=repr)


def test_a_late_change_of_the_table_corrects_the_orders_after_it_and_none_before():
    def order(minute: int) -> Row:
        lines = [{"product": "p", "units": minute}]
        return {"user": "ann", "at": minute * 60_000, "lines": lines}

    def card(minute: int, price: str) -> Row:
        return {"product": "p", "since": minute * 60_000, "type": "set", "price": Decimal(price)}

    log = [
        Sent("cards", 0, 0, card(0, "1.00")),
        Sent("orders", 0, 0, order(5)),
        Sent("orders", 0, 1, order(15)),
        Sent("cards", 0, 1, card(10, "2.00")),
    ]
    told = run(log, join("as_of"), [1, 2, 3]).told
    assert [(t["units"], t["price"], t["retracted"]) for t in told] == [
        (5, "1.00", False), (15, "1.00", False), (15, "1.00", True), (15, "2.00", False),
    ]  # fmt: skip


VIEWS: dict[str, Any] = {"user": pl.String(), "at": TIME, "page": pl.String()}


@pytest.mark.parametrize("cut", [[], [1, 2]])
def test_no_event_is_before_itself(cut: list[int]):
    side = {"topic": "views", "key": ["user"], "time": "at"}
    declared = join(
        "last",
        of=side | {"fields": {"page": "page"}},
        **{"with": side | {"fields": {"before": "page"}}},
    )
    rows = [{"user": "ann", "at": 0, "page": page} for page in "abc"]
    sent = [
        dict(row) for e in Sides(declared)(frame(rows, VIEWS, topic="views")).events
        for row in e.events
    ]  # fmt: skip
    told = Driver(JoinAgent("j", declared, "s", "l")).run(sent, VIA, cut).told
    stands = current(told, "pair_id").values()
    assert sorted((row["page"], row["before"]) for row in stands) == [("b", "a"), ("c", "b")]


def test_keys_of_several_fields_are_not_confused():
    side = {"topic": "views", "key": ["user", "page"], "time": "at"}
    declared = join("last", of=side, **{"with": side})
    rows = [{"user": "a1", "at": 0, "page": "b"}, {"user": "a", "at": 0, "page": "1b"}]
    rows.append({"user": "a", "at": 0, "page": None})
    (emit,) = Sides(declared)(frame(rows, VIEWS, topic="views")).events
    assert len({event["key"] for event in emit.events}) == 2
    assert len({event["event_id"] for event in emit.events}) == 4


def test_a_key_is_forgotten_when_its_timer_is_due_and_nothing_came_since():
    declared = join("last")
    agent = JoinAgent("j", declared, "s", "l", forget_ms=100)
    row = {"event_id": "e", "key": "p", "side": "with", "occurred_at": 5, "payload": "{}"}
    row |= {"source_partition": 0, "source_offset": 0, "item": 0}
    due = row | {"side": "due", "payload": None}
    ran = Driver(agent)
    ran.take(frame([row], VIA, 0))  # the driver's records have their offsets as timestamps
    ran.take(frame([row | {"source_offset": 1}], VIA, 1))
    ran.take(frame([due | {"occurred_at": 100}], VIA, 2))
    assert ran.due == {"p": 101}
    ran.take(frame([due | {"occurred_at": 101}], VIA, 3))
    assert not ran.states
    assert not ran.due
