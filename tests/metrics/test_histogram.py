import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.metrics.histogram import EXPOSED_MS, Histogram

times = st.lists(st.integers(-5_000, 3_000_000) | st.sampled_from(EXPOSED_MS), max_size=50)


@given(times, times)
def test_buckets_count_what_does_not_exceed_their_bound(first, second):
    histogram = Histogram()
    for values in (first, second):
        histogram.add(np.array(values, np.int64))
    values = [max(0, value) for value in first + second]
    exposed = dict(histogram.exposed())
    assert exposed.pop("+Inf") == len(values)
    assert [round(float(bound) * 1000) for bound in exposed] == list(EXPOSED_MS)
    for bound, count in exposed.items():
        assert count == sum(value <= round(float(bound) * 1000) for value in values)
    assert histogram.sum_ms == sum(values)


@given(st.lists(st.integers(1, 1_900_000), min_size=1, max_size=50))
def test_quantiles_are_at_most_a_tenth_above_the_truth(values):
    histogram = Histogram()
    histogram.add(np.array(values, np.int64))
    for q in (0.5, 0.95, 0.99):
        truth = min(v for v in values if sum(w <= v for w in values) >= q * len(values))
        found = histogram.quantile(q)
        assert found is not None
        assert truth <= found <= truth * 1.1 + 1
