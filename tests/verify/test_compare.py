"""Comparing two states: what counts, what differs, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from headrace import topology
from loadgen.verify.compare import compare
from loadgen.verify.report import Report
from loadgen.verify.state import canonical

DECLARED = topology.load(Path(__file__).resolve().parents[2])


def cart(*rows):
    return pl.DataFrame(rows, schema=["id", "field", "value"], orient="row")


def outcome(section, left, right, examples=5):
    state = [{section: canonical(section, f, DECLARED)} for f in (left, right)]
    (found,) = compare("a = b", *state, DECLARED, examples)
    return found


def test_equal_states_compare_every_item():
    rows = cart(("u1", "p1", "2"), ("u1", "p2", "3"))
    found = outcome("redis.cart", rows, rows.reverse())
    assert (found.compared, found.differing, found.examples) == (2, 0, [])


def test_a_missing_an_extra_and_a_wrong_item_are_named():
    left = cart(("u1", "p1", "2"), ("u2", "p1", "1"), ("u3", "p1", "1"))
    right = cart(("u1", "p1", "5"), ("u3", "p1", "1"), ("u4", "p9", "7"))
    found = outcome("redis.cart", left, right)
    assert (found.compared, found.differing) == (4, 3)
    assert {(d.key, d.expected, d.found) for d in found.examples} == {
        ("id=u1, field=p1", "2", "5"),
        ("id=u2, field=p1", "1", None),
        ("id=u4, field=p9", None, "7"),
    }


def test_examples_are_bounded_and_counts_are_not():
    left = cart(*((f"u{i}", "p", "1") for i in range(50)))
    found = outcome("redis.cart", left, left.clear(), examples=2)
    assert (found.differing, len(found.examples)) == (50, 2)


def test_a_section_that_one_side_lacks_differs_in_every_item():
    left = {"redis.cart": canonical("redis.cart", cart(("u", "p", "1")), DECLARED)}
    (found,) = compare("a = b", left, {}, DECLARED, 5)
    assert found.differing == 1


@pytest.mark.parametrize(("p95", "differing"), [(102.0, 0), (97.6, 0), (103.0, 1), (None, 1)])
def test_quantiles_may_differ_by_their_sketches_error(p95, differing):
    columns = ["minute", "tenant", "route", "requests", "p95"]
    left = pl.DataFrame([(0, "t", "/a", 1, 100.0)], schema=columns, orient="row")
    right = pl.DataFrame(
        [(0, "t", "/a", 1, p95)], schema={**left.schema, "p95": pl.Float64}, orient="row"
    )
    assert outcome("view.requests_by_minute", left, right).differing == differing


def test_nothing_compared_proves_nothing():
    assert not Report([]).verified


def test_the_report_shows_what_differs():
    console = Console(record=True, width=120)
    section = outcome("redis.cart", cart(("u1", "p1", "2")), cart(("u1", "p1", "3")))
    report = Report([section], {"events_in_the_log": 1})
    report.show(console)
    text = console.export_text()
    assert "1 of 1 differ" in text
    assert "redis.cart [id=u1, field=p1] value: expected '2', found '3'" in text
    assert report.as_dict()["differing"] == 1
