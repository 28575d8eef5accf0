"""Scores are about standard normal, whatever the size of what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.anomaly.laws import Counts, Levels

LAWS = (Counts(floor=1.0), Levels())


@pytest.mark.parametrize("mean", [3.0, 30.0, 3_000.0])
def test_scores_of_counts_scatter_by_one(mean: float) -> None:
    values = np.random.default_rng(1).poisson(mean, 20_000).astype(float)
    scores = Counts(floor=1.0).score(values, np.full_like(values, mean), np.ones_like(values))
    assert abs(scores.mean()) < 0.02 + 0.3 / mean**0.5  # a root leans to below
    assert abs(scores.std() - 1) < 0.06


def test_scores_of_sums_scatter_by_one_with_their_dispersion() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(50, 5_000)
    sums = np.array([rng.exponential(30, n).sum() for n in counts])
    expected = np.full_like(sums, 50 * 30)
    squares, scale = Counts(floor=1e-9).scatter(sums, expected, np.ones_like(sums))
    dispersion = np.full_like(sums, squares.sum() / scale.sum())
    assert abs(dispersion[0] - 60) < 4  # E[amount²] / E[amount]
    scores = Counts(floor=1e-9).score(sums, expected, dispersion)
    assert abs(scores.std() - 1) < 0.05


@pytest.mark.parametrize("law", LAWS)
@given(
    value=st.floats(0, 1e6), expected=st.floats(0.1, 1e6), dispersion=st.floats(1, 100),
    at=st.floats(1, 6),
)  # fmt: skip
def test_a_clipped_value_scores_no_more_than_asked(
    law: Counts | Levels, value: float, expected: float, dispersion: float, at: float
) -> None:
    one = [np.array([x]) for x in (value, expected, dispersion)]
    clipped = law.clipped(*one, at)
    score = law.score(clipped, one[1], one[2])
    assert abs(score[0]) <= at + 1e-6
    within = abs(law.score(*one)[0]) <= at - 1e-9
    assert not within or clipped[0] == pytest.approx(value, rel=1e-6, abs=1e-6)


def test_a_burst_in_a_series_of_almost_nothing_does_not_look_usual() -> None:
    law, one = Counts(floor=1.0), np.ones(1)
    assert law.scatter(7 * one, 0.01 * one, one) == (0.0, 0.0)
    assert law.scatter(7 * one, 4 * one, one) == (9.0, 4.0)
