"""The chain's laws: whatever is done to it behind its back is found, and nothing else is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.audit.chain import Anchor, Record, following, unfinished, verify
from headrace.audit.entry import (
    GENESIS,
    Entry,
    Facts,
    NotAnEntry,
    Outcome,
    canonical,
    decode,
    digest,
)

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FACTS = st.builds(
    Facts,
    act=TEXT,
    actor=TEXT,
    subject=TEXT,
    outcome=st.sampled_from(Outcome),
    details=st.dictionaries(TEXT, TEXT, max_size=3),
    intent=st.integers(0, 9),
)
KEYS = st.sampled_from([None, KEY])


def chained(facts: Sequence[Facts], key: bytes | None = None) -> list[Entry]:
    entries: list[Entry] = []
    for number, one in enumerate(facts):
        entries.append(following(entries[-1] if entries else None, one, number, key))
    return entries


def log(entries: Sequence[Entry]) -> list[Record]:
    return [Record(2 * i, entry) for i, entry in enumerate(entries)]


def anchor(entry: Entry) -> Anchor:
    return Anchor(topic="t", sequence=entry.sequence, hash=entry.hash)


def changed(entry: Entry, **fields: object) -> Entry:
    """With other fields and, unless given, its old hash."""
    return entry.model_copy(update=fields)


def rehashed(entry: Entry) -> Entry:
    """As somebody would leave it who knows how hashes are made."""
    return changed(entry, hash=digest(entry.content()))


CHAINS = st.lists(FACTS, min_size=3, max_size=8)


@given(st.lists(FACTS, max_size=8), KEYS, st.data())
def test_what_was_appended_has_no_fault(facts, key, data):
    entries = chained(facts, key)
    pinned = anchor(data.draw(st.sampled_from(entries))) if entries else None
    assert verify(log(entries), key, pinned) == []
    assert verify(log(entries)) == []  # without the key there is just less to check


@given(FACTS, KEYS)
def test_an_entry_survives_the_topic(facts, key):
    (entry,) = chained([facts], key)
    assert decode(entry.encode()) == entry
    assert entry.previous == GENESIS


@given(CHAINS, st.data())
def test_any_removal_before_the_end_is_found(facts, data):
    entries = chained(facts)
    first = data.draw(st.integers(0, len(entries) - 2))
    last = data.draw(st.integers(first, len(entries) - 2))
    left = entries[:first] + entries[last + 1 :]
    (fault,) = verify(log(left))
    assert fault.where == f"entry {last + 2}"
    assert "missing before it" in fault.what


@given(CHAINS, st.data())
def test_any_change_is_found_where_it_is(facts, data):
    entries = chained(facts)
    i = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["time_ms", "act", "actor", "subject", "details", "intent"]))
    old = getattr(entries[i], field)
    new = {int: 77, str: f"{old}x", dict: {"x": "y", "z": "x"}}[type(old)]
    entries[i] = changed(entries[i], **{field: new})
    (fault,) = verify(log(entries))
    assert (fault.where, fault.what.split(":")[0]) == (f"entry {i + 1}", "was changed")


@given(CHAINS, st.data())
def test_a_change_with_its_hash_made_anew_is_found_at_the_next(facts, data):
    entries = chained(facts)
    i = data.draw(st.integers(0, len(entries) - 2))
    entries[i] = rehashed(changed(entries[i], subject=f"{entries[i].subject}x"))
    (fault,) = verify(log(entries))
    assert (fault.where, "does not continue" in fault.what) == (f"entry {i + 2}", True)


@given(CHAINS, st.data())
def test_any_other_order_is_found(facts, data):
    entries = chained(facts)
    mixed = data.draw(st.permutations(entries).filter(lambda order: order != entries))
    assert verify(log(mixed))


@given(CHAINS, FACTS, st.data())
def test_any_insertion_before_the_end_is_found(facts, extra, data):
    entries = chained(facts)
    i = data.draw(st.integers(0, len(entries) - 1))
    inserted = data.draw(
        st.sampled_from([following(entries[i - 1] if i else None, extra, 99, None), *entries])
    )
    assert verify(log([*entries[:i], inserted, *entries[i:]]))


def cut(entries: list[Entry]) -> list[Entry]:
    return entries[:-1]


def emptied(entries: list[Entry]) -> list[Entry]:
    return []


def rebuilt(entries: list[Entry]) -> list[Entry]:
    """All of it anew, without the second one."""
    made: list[Entry] = []
    for e in [entries[0], *entries[2:]]:
        facts = Facts(e.act, e.actor, e.subject, e.outcome, e.details, e.intent)
        made.append(following(made[-1] if made else None, facts, e.time_ms, None))
    return made


def last_changed(entries: list[Entry]) -> list[Entry]:
    return [*entries[:-1], rehashed(changed(entries[-1], actor="nobody"))]


@pytest.mark.parametrize(
    ("attack", "found"),
    [(cut, "is missing"), (emptied, "is missing"), (last_changed, "computed anew")],
)
@given(facts=CHAINS)
def test_what_a_chain_alone_can_not_see_an_anchor_does(
    attack: Callable[[list[Entry]], list[Entry]], found: str, facts: list[Facts]
):
    entries = chained(facts)
    attacked = log(attack(entries))
    assert verify(attacked) == []
    (fault,) = verify(attacked, None, anchor(entries[-1]))
    assert fault.where == f"entry {len(entries)}"
    assert found in fault.what


@given(CHAINS)
def test_a_rebuilt_chain_contradicts_the_anchor_and_has_no_signatures(facts):
    entries = chained(facts, KEY)
    attacked = log(rebuilt(entries))
    assert verify(attacked) == []
    assert verify(attacked, None, anchor(entries[-2]))
    assert [f.what for f in verify(attacked, KEY)] == ["is not signed"] * (len(entries) - 1)


@given(CHAINS)
def test_the_last_entry_can_not_be_forged_without_the_key(facts):
    entries = chained(facts, KEY)
    (fault,) = verify(log(last_changed(entries)), KEY)
    assert "another key" in fault.what
    assert len(verify(log(entries), OTHER_KEY)) == len(entries)


def test_an_anchor_lets_a_key_come_or_change_later():
    facts = [Facts("apply", "a", "s", Outcome.DONE)] * 2
    entries = chained(facts)
    for key in (KEY, KEY, OTHER_KEY):
        entries.append(following(entries[-1], facts[0], 5, key))
    assert len(verify(log(entries), OTHER_KEY)) == 4
    assert len(verify(log(entries), OTHER_KEY, anchor(entries[2]))) == 1
    assert verify(log(entries), OTHER_KEY, anchor(entries[3])) == []
    elsewhere = anchor(entries[3]).model_copy(update={"hash": GENESIS})
    assert len(verify(log(entries), OTHER_KEY, elsewhere)) == 5  # it proves nothing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: None,
        lambda raw: b"",
        lambda raw: b"[]",
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"intent":0', b'"intent":0,"intent":0'),
        lambda raw: raw.replace(b'"intent":0', b'"intent":"0"'),
        lambda raw: raw.replace(b'"done"', b'"perhaps"'),
        lambda raw: raw.replace(b'"intent"', b'"extra":1,"intent"'),
        lambda raw: b"\xff" + raw,
    ],
)
def test_a_record_that_is_not_exactly_an_entry_is_told_with_its_offset(spoil):
    entries = chained([Facts("apply", "a", "s", Outcome.DONE)])
    with pytest.raises(NotAnEntry) as caught:
        decode(spoil(entries[0].encode()))
    records = [*log(entries), Record(7, None, str(caught.value))]
    (fault,) = verify(records)
    assert str(fault).startswith("offset 7: is not an entry: ")


def test_equal_content_has_equal_bytes_whatever_the_order():
    one = {"b": 1, "a": {"y": "é", "x": "2"}}
    assert canonical(one) == canonical(dict(reversed(one.items())))
    assert digest(one) == hashlib.sha256('{"a":{"x":"2","y":"é"},"b":1}'.encode()).hexdigest()


def test_an_intent_without_an_outcome_is_unfinished():
    began = Facts("apply", "a", "s", Outcome.INTENDED)
    entries = chained([began, began, Facts("apply", "a", "s", Outcome.FAILED, {}, 2)])
    assert unfinished(log(entries)) == [entries[0]]
