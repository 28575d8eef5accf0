"""Whether metrics, funnels, cohorts and read models ask for what views and keyspaces have."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headrace.topology import aggregates
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.model import Topology, View
from headrace.topology.serving import ReadModel
from headrace.topology.tree import Path, Tree

_SUM = "SimpleAggregateFunction(sum, …)"
_GRAINS = ", ".join(aggregates.GRAINS)


def run(topology: Topology, tree: Tree) -> None:
    """Note every problem on the tree."""
    for name, metric in topology.metrics.items():
        view = _view(topology, tree, ("metrics", name), metric)
        if view is not None:
            _Checks(tree, ("metrics", name), view).metric(metric)
    for name, funnel in topology.funnels.items():
        view = _view(topology, tree, ("funnels", name), funnel)
        if view is not None:
            _Checks(tree, ("funnels", name), view).funnel(funnel)
    for name, cohorts in topology.cohorts.items():
        view = _view(topology, tree, ("cohorts", name), cohorts)
        if view is not None:
            _Checks(tree, ("cohorts", name), view).cohorts(cohorts)
    for name, model in topology.serve.views.items():
        _read_model(topology, tree, ("serve", "views", name), model)
    if topology.serve.features is not None:
        _read_model(topology, tree, ("serve", "features"), topology.serve.features)
    _readings(topology, tree)


def _view(topology: Topology, tree: Tree, at: Path, asks: Metric | Funnel | Cohorts) -> View | None:
    views = topology.clickhouse.views
    found = views.get(asks.view)
    if found is None:
        tree.problem((*at, "view"), asks.view, "no such view", f"declared: {', '.join(views)}")
    return found


class _Checks:
    """The checks of one declaration against its view."""

    def __init__(self, tree: Tree, at: Path, view: View) -> None:
        self._tree = tree
        self._at = at
        self._view = view

    def metric(self, metric: Metric) -> None:
        self._time(metric.time)
        self._keys(metric.dimensions, metric.tenant)
        for column in metric.where:
            self._key(("where", column), column)
        measure, forms = metric.measure, metric.measure.forms
        at: Path = (*self._at, "measure")
        if len(forms) != 1:
            self._tree.problem(
                at, ", ".join(forms) or None, "must have exactly one form",
                "write one of sum, count, distinct, quantile or ratio",
            )  # fmt: skip
            return
        if measure.kind == "distinct":
            self._column(("measure", "distinct"), measure.columns[0], "a state of distinct values",
                         "AggregateFunction(uniqExact, …)", lambda k: aggregates.distinct(k) is not None)  # noqa: E501  # fmt: skip
        elif measure.kind == "quantile":
            self._quantile(measure.columns[0], measure.levels)
        else:
            for i, column in enumerate(measure.columns):
                part: Path = (measure.kind, i) if measure.kind == "ratio" else (measure.kind,)
                self._column(("measure", *part), column, "a sum", _SUM, aggregates.is_sum)
        if measure.levels and measure.kind != "quantile":
            self._tree.problem(
                (*at, "levels"), measure.levels, "only quantiles have levels", "leave them out"
            )

    def funnel(self, funnel: Funnel) -> None:
        self._time(funnel.time)
        self._key(("step",), funnel.step)
        self._keys(funnel.dimensions, funnel.tenant)
        self._column(
            ("value",), funnel.value, "a sum or a state of distinct values",
            f"{_SUM} or AggregateFunction(uniqExact, …)",
            lambda kind: aggregates.is_sum(kind) or aggregates.distinct(kind) is not None,
        )  # fmt: skip
        if len(set(funnel.steps)) < len(funnel.steps):
            self._tree.problem(
                (*self._at, "steps"), list(funnel.steps), "a step stands twice", "name each once"
            )

    def cohorts(self, cohorts: Cohorts) -> None:
        self._time(cohorts.time)
        self._key(("id",), cohorts.id)
        self._keys((), cohorts.tenant)

    def _keys(self, dimensions: Iterable[str], tenant: str | None) -> None:
        for i, column in enumerate(dimensions):
            self._key(("dimensions", i), column)
        if tenant is not None:
            self._key(("tenant",), tenant)

    def _time(self, column: str) -> None:
        if not self._ordered(("time",), column):
            return
        kind = self._view.columns[column]
        if not aggregates.is_time(kind):
            self._tree.problem(
                (*self._at, "time"), column, f"is of type {kind}", "name a DateTime column"
            )
        elif aggregates.grain_s(self._view, column) is None:
            self._tree.problem(
                (*self._at, "time"), column, "the view's selects do not say how long its steps are",
                f"fill it by one of {_GRAINS}, followed by AS {column}, in each select",
            )  # fmt: skip

    def _key(self, part: Path, column: str) -> None:
        """A column that rows are told apart and chosen by."""
        if not self._ordered(part, column):
            return
        kind = self._view.columns[column]
        if not aggregates.is_text(kind):
            self._tree.problem(
                (*self._at, *part), column, f"is of type {kind}",
                "name a String or LowCardinality(String) column",
            )  # fmt: skip

    def _ordered(self, part: Path, column: str) -> bool:
        """Only what a view is ordered by keeps its value when rows merge."""
        order = self._view.order_by
        if column in order and column in self._view.columns:
            return True
        self._tree.problem(
            (*self._at, *part), column, "the view is not ordered by such a column",
            f"it is ordered by: {', '.join(order)}",
        )  # fmt: skip
        return False

    def _column(
        self, part: Path, column: str, what: str, fix: str, fits: Callable[[str], bool]
    ) -> bool:
        kind = self._view.columns.get(column)
        if kind is None:
            known = ", ".join(self._view.columns)
            self._tree.problem(
                (*self._at, *part), column, "the view has no such column", f"it has: {known}"
            )
        elif not fits(kind):
            self._tree.problem(
                (*self._at, *part), column, f"is of type {kind}, not {what}",
                f"name a column of type {fix}",
            )  # fmt: skip
        else:
            return True
        return False

    def _quantile(self, column: str, levels: tuple[float, ...]) -> None:
        fits = self._column(
            ("measure", "quantile"), column, "a state of quantiles",
            "AggregateFunction(quantilesDD(…), …)",
            lambda kind: aggregates.quantiles(kind) is not None,
        )  # fmt: skip
        state = aggregates.quantiles(self._view.columns[column]) if fits else None
        if state is None:
            return
        at, known = (*self._at, "measure", "levels"), ", ".join(map(str, state.levels))
        if not levels:
            self._tree.problem(at, None, "missing", f"name levels of the state: {known}")
        for i, level in enumerate(levels):
            if level not in state.levels:
                self._tree.problem(
                    (*at, i), level, "the state does not have this level", f"it has: {known}"
                )


def _read_model(topology: Topology, tree: Tree, at: Path, model: ReadModel) -> None:
    declared = topology.redis.keyspaces
    for i, keyspace in enumerate(model.keyspaces):
        if keyspace not in declared:
            tree.problem(
                (*at, "keyspaces", i), keyspace, "no such keyspace",
                f"declared: {', '.join(declared) or 'none'}",
            )  # fmt: skip
        elif declared[keyspace].type == "state":
            tree.problem(
                (*at, "keyspaces", i), keyspace, "is an agent's state, which only it can read",
                "let the agent write a hash or sorted set for readers",
            )  # fmt: skip


def _readings(topology: Topology, tree: Tree) -> None:
    for name, keyspace in topology.redis.keyspaces.items():
        at = ("redis", "keyspaces", name)
        if keyspace.rings and keyspace.type != "hash":
            tree.problem((*at, "rings"), name, "this type has no rings", "leave them out")
        if keyspace.decay is not None and keyspace.type != "zset":
            tree.problem((*at, "decay"), name, "this type has no scores", "leave it out")
