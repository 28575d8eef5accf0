"""What a dead letter says, and that the record's own headers stay."""

from __future__ import annotations

import numpy as np

import headrace
from headrace import headers as names
from headrace.block import Block, Header
from headrace.frame import Bad
from headrace.transport.deadletters import MAX_REASON, headers

VALUE = b"\0\0\0\0\x07rest"


def said(bad: Bad, *carried: Header, value: bytes | None = VALUE) -> dict[str, bytes]:
    at = np.array([41], np.int64)
    block = Block("t", 3, 40, 49, [value], at, at * 0 + 1_000, [b"k"], {0: carried})
    made = headers(block, bad, 5_000)
    assert len({name for name, _ in made}) == len(made)
    return dict(made)


def test_all_that_is_known_is_said():
    bad = Bad(0, "agent", "agent 'a' raised ValueError: no", error="ValueError", agent="a")
    assert said(bad, ("own", b"\xff")) == {
        "own": b"\xff",
        names.TOPIC: b"t",
        names.PARTITION: b"3",
        names.OFFSET: b"41",
        names.TIMESTAMP: b"1000",
        names.STEP: b"agent",
        names.REASON: b"agent 'a' raised ValueError: no",
        names.ERROR: b"ValueError",
        names.AGENT: b"a",
        names.SCHEMA_ID: b"7",
        names.FIRST_SEEN: b"5000",
        names.WORKER: headrace.__version__.encode(),
        names.ATTEMPTS: b"1",
    }


def test_a_value_that_claims_no_schema_has_none_and_a_decoder_knows_better():
    assert said(Bad(0, "frame", "r"), value=b"\x01")[names.SCHEMA_ID] == b""
    assert said(Bad(0, "frame", "r"), value=None)[names.SCHEMA_ID] == b""
    assert said(Bad(0, "decode", "r", 9))[names.SCHEMA_ID] == b"9"


def test_a_redriven_record_that_fails_again_counts_on():
    carried = ((names.REDRIVEN, b"0:5"), (names.ATTEMPTS, b"2"), ("own", b"1"))
    made = said(Bad(0, "decode", "r"), *carried)
    assert made[names.ATTEMPTS] == b"3"
    assert made[names.REDRIVEN] == b"0:5"
    for nonsense in (b"x", b"-1", b"9" * 50, "²".encode(), b"\xff"):
        assert said(Bad(0, "decode", "r"), (names.ATTEMPTS, nonsense))[names.ATTEMPTS] == b"1"


def test_a_producer_can_not_pass_off_its_headers_as_ours():
    assert said(Bad(0, "decode", "r"), (names.OFFSET, b"7"))[names.OFFSET] == b"41"


def test_any_reason_can_be_written_and_a_long_one_is_cut():
    assert said(Bad(0, "agent", "bad \ud800"))[names.REASON] == b"bad \\ud800"
    text = said(Bad(0, "agent", "x" * 1_000_000))[names.REASON].decode()
    assert text == "x" * MAX_REASON + "… (1000000 characters)"
