"""Measures as expressions over a view's columns, and what they are where there are no rows."""

from __future__ import annotations

from headrace.serve.queries.query import quoted
from headrace.topology import aggregates
from headrace.topology.metrics import Measure
from headrace.topology.model import View


def value_of(view: View, column: str) -> str:
    """A sum, or a number of distinct values, as a double."""
    function = aggregates.distinct(view.columns[column])
    if function is None:
        return f"toFloat64(sum({quoted(column)}))"
    name, parenthesis, parameters = function.partition("(")
    return f"toFloat64({name}Merge{parenthesis}{parameters}({quoted(column)}))"


def expression(view: View, measure: Measure) -> str:
    """A double, or null where it has none; for quantiles an array of them, a level each."""
    if measure.kind == "ratio":
        part, whole = (value_of(view, column) for column in measure.columns)
        return f"if({whole} = 0, NULL, {part} / {whole})"
    if measure.kind != "quantile":
        return value_of(view, measure.columns[0])
    column = measure.columns[0]
    state = aggregates.quantiles(view.columns[column])
    assert state is not None  # the topology was checked
    merged = f"{state.function}Merge({state.parameters})({quoted(column)})"
    places = ", ".join(str(state.levels.index(level) + 1) for level in measure.levels)
    return f"arrayMap(i -> toFloat64(({merged})[i]), [{places}])"


def ranking(view: View, measure: Measure) -> str:
    """What rows are ranked by: of quantiles the last level that is declared."""
    found = expression(view, measure)
    return f"({found})[-1]" if measure.kind == "quantile" else found


def of_nothing(measure: Measure) -> float | None:
    """What a metric is where nothing happened: a count of nothing is 0, a share of it is none."""
    return None if measure.kind in ("ratio", "quantile") else 0.0
