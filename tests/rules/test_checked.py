"""What becomes of records that fail rules: aside, marked, or the end."""

from __future__ import annotations

import pytest

from headrace.errors import ConfigError, Terminal
from headrace.frame import MARKS
from headrace.rules.checked import decoder, id_decoder
from headrace.schema import Codec
from tests.rules.cases import block, decode, registry, rule


def test_without_rules_decoding_is_the_codec_s():
    assert decoder(registry(), "case", {}).__func__ is Codec.decode


def test_a_record_goes_aside_with_every_reason_and_its_neighbours_stay():
    rules = {
        "small": rule(field="n", max=5),
        "short": rule(check="length(s) < 3"),
        "even": rule(check="n % 2 = 0", on_failure="mark"),
    }
    frame = decode(rules, {"n": 1}, {"n": 6, "s": "abc"}, {"n": 2, "s": "ab"}, {"n": 7})
    assert frame.df["_offset"].to_list() == [100, 102]
    assert frame.df[MARKS].to_list() == [["even"], []]
    first, second = frame.bad
    assert (first.index, first.step, first.schema_id) == (1, "rule", 1)
    assert first.reason == (
        "rule 'small': n is at most 5 (n 6); rule 'short': length(s) < 3 (s 'abc')"
    )
    assert (second.index, second.reason) == (3, "rule 'small': n is at most 5 (n 7)")
    assert frame.failed == {"small": 2, "short": 1, "even": 2}


def test_reasons_do_not_tell_private_values():
    rules = {"r": rule(check="s = 'x' AND n = 0 AND array_length(list) > 1")}
    (bad,) = decode(rules, {"s": "secret", "n": 1, "list": [7]}, private=["s"]).bad
    assert "secret" not in bad.reason
    assert bad.reason.endswith("(s is private, n 1, list is nested)")


def test_a_long_value_is_cut_in_the_reason():
    (bad,) = decode({"r": rule(field="s", pattern="^$")}, {"s": "x" * 10_000}).bad
    assert len(bad.reason) < 120


def test_undecodable_records_and_failing_ones_are_told_in_order():
    good = block({"n": 1}, {"n": -1}, {"n": 2}, {"n": -1})
    values = [good.values[1], b"no", None, good.values[0], b"\0", good.values[3]]
    from tests.schema import cases

    frame = decoder(registry(), "case", {"r": rule(field="n", min=0)})(cases.block(values))
    assert [(b.index, b.step) for b in frame.bad] == [
        (0, "rule"), (1, "frame"), (4, "frame"), (5, "rule"),
    ]  # fmt: skip
    assert frame.df["_offset"].to_list() == [103]


def test_stop_names_the_first_record():
    rules = {"r": rule("stop", field="n", min=0), "q": rule("stop", field="m", min=0)}
    with pytest.raises(Terminal) as caught:
        decode(rules, {"n": 1}, {"m": -1}, {"n": -1})
    text = str(caught.value)
    assert text.startswith("topic[3]@101: rule 'q': m is at least 0 (m -1)")
    assert "rule 'r'" not in text


def test_marks_are_there_for_every_block_of_such_a_topic():
    rules = {"r": rule("mark", field="n", min=0)}
    assert decode(rules).df.schema[MARKS] == decode(rules, {"n": -1}).df.schema[MARKS]
    assert decode(rules, {"n": 1}, {"n": 2}).df[MARKS].to_list() == [[], []]
    assert MARKS not in decode({"r": rule(field="n", min=0)}, {"n": 1}).df.columns


def test_where_a_rule_can_t_be_computed_it_fails_and_only_there():
    rules = {"cast": rule(check="CAST(s AS INT) > 0"), "n": rule("mark", field="n", min=0)}
    frame = decode(rules, *({"s": s, "n": -1} for s in ["1", "x", "2", "3", "-1", "y", "4"]))
    assert [entry.index for entry in frame.bad] == [1, 4, 5]
    assert frame.failed == {"cast": 3, "n": 7}


def test_the_ids_are_those_of_the_records_that_pass():
    rules = {
        "aside": rule(check="n >= 0 AND s <> 'bad'"),
        "marked": rule("mark", field="m", min=0),
        "never": rule("stop", field="y", min=0),
    }
    rows = [{"n": 1}, {"n": -1}, {"s": "bad"}, {"m": -1}]
    everything = decoder(registry(), "case", rules)(block(*rows)).df["id"]
    ids = id_decoder(registry(), "case", "id", rules)(block(*rows, {"y": -1.0})).df
    assert ids["id"].to_list() == [*everything.to_list(), "e104"]
    assert set(ids.columns) == {"id", "n", "s", "_partition", "_offset"}


def test_a_rule_that_does_not_fit_is_a_config_error():
    with pytest.raises(ConfigError, match="'case' version 1: field: 'nn': the schema has no such"):
        decoder(registry(), "case", {"r": rule(field="nn", min=0)})
