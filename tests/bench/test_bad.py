"""The part ``bad`` of the bench, short."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import bad

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]
GOOD = 20_000


def test_every_kind_of_bad_event_is_a_dead_letter_and_every_good_one_a_row(stack):
    pairs = bad.measure(stack, GOOD, 1, Console(quiet=True))  # raises when anything is wrong
    found = bad.summarise(pairs)
    assert (found["good"], found["bad"]) == (GOOD, GOOD // bad.EVERY * len(bad.kinds()))
    assert found["ratio"]["per_second"]["median"] > 0.1  # says little over so few events
    bad.show(found, Console(quiet=True))


def test_the_proof_finds_what_is_wrong(stack):
    whole = {"good as it is": lambda value: value}
    with pytest.raises(RuntimeError, match="rows"):
        bad.one(stack, 1_000, whole)
