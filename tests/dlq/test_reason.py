"""One group a cause, whatever the values; different causes stay apart."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dlq.groups import groups
from headrace.dlq.letter import Letter
from headrace.dlq.place import Place
from headrace.dlq.reason import LONGEST, reason_class

#: Reasons as the pipeline words them, with holes for what varies.
REASONS = [
    "field 'price': length {n} at byte {n} runs past the end ({n} bytes)",
    "field 'lines.quantity': {n} at byte {n} is no 32-bit int",
    "field 'name': the string at byte {n} is not UTF-8: invalid start byte",
    "{n} bytes are left over behind byte {n}",
    "schema id {n} is not registered; expected one of 'catalog'",
    "the first byte is {hex}, not 0x00: this is not Confluent's wire format; was it written "
    "without a schema registry's serializer?",
    "agent 'views' raised ValueError: can't use {text!r} of user {id}",
    "agent 'analytics' raised ValueError: can't use {text!r} of user {id}",
    "agent 'views' raised ComputeError: invalid values: [{many}] in column 'amount'",
    "rule 'amount_range': {n}.{n} is outside 0 to 10000",
]


def worded(template: str, rng: random.Random) -> str:
    return template.format(
        n=rng.randrange(10 ** rng.randrange(1, 12)),
        hex=f"{rng.randrange(1, 256):#04x}",
        text="".join(rng.choice("ab c'\"\\é1;") for _ in range(rng.randrange(12))),
        id=uuid.UUID(int=rng.getrandbits(128)),
        many=", ".join(repr("v" * rng.randrange(5)) for _ in range(rng.randrange(1, 6))),
    )


def letter(reason: str, offset: int = 0, **more: object) -> Letter:
    given = {
        "topic": "t", "origin": Place(0, offset), "places": (Place(0, offset),), "step": "decode",
        "reason": reason, "error": "", "agent": "", "schema_id": "", "first_ms": offset,
        "worker": "", "attempts": 1, "size": 0, **more,
    }  # fmt: skip
    return Letter(**given)


def test_ten_thousand_records_of_ten_causes_are_ten_groups():
    rng = random.Random(6)
    letters = [letter(worded(REASONS[i % len(REASONS)], rng), i) for i in range(10_000)]
    found = groups(letters)
    assert {group.count for group in found} == {1_000}, [g.reason for g in found]
    assert len(found) == len(REASONS)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "field 'price': length -7 at byte 31 runs past the end (40 bytes)",
            "field 'price': length # at byte # runs past the end (# bytes)",
        ),
        (
            "'orders' version 2 can't be read as 'orders' version 1: the readers' default isn't 5",
            "'…' version # can't be read as '…' version #: the readers' default isn't #",
        ),
        ("wrong value b'\\x00\\'q' and \"it's\"", "wrong value '…' and '…'"),
        ("bad [1, 2, 3] {'a': 'b'}\n  at 2026-11-24T10:00:00Z", "bad […] {…} at #"),
        ("the string is not UTF-8", "the string is not UTF-8"),
        ("column 'amount_2' has -1.5e-7", "column 'amount_2' has #"),
    ],
)
def test_what_varies_is_taken_out_and_names_stay(reason, expected):
    assert reason_class(reason) == expected


@given(st.text())
def test_any_text_has_a_class_of_bounded_length_and_so_has_that(text):
    once = reason_class(text)
    assert len(once) <= LONGEST
    assert len(reason_class(once)) <= LONGEST


@given(st.integers(), st.integers())
def test_numbers_never_tell_records_apart(one, other):
    assert reason_class(f"got {one} here") == reason_class(f"got {other} here")


def test_a_group_says_how_many_wait_and_shows_one_that_does():
    found = groups(
        [
            letter("got 1", 1, redriven=True),
            letter("got 2", 2, attempts=2),
            letter("got 3", 3, redriven=True),
            letter("got 1", 4, step="rule"),
            letter("got 1", 5, topic="u"),
        ]
    )
    assert len(found) == 3
    assert len({group.id for group in found}) == 3
    largest = max(found, key=lambda group: group.count)
    assert (largest.count, largest.waiting, largest.redriven, largest.again) == (3, 1, 2, 1)
    assert (largest.first_ms, largest.last_ms) == (1, 3)
    assert (largest.example, largest.example_reason) == ("0:2", "got 2")
