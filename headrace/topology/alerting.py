"""Whether what is watched for anomalies are metrics by minute, and whether somebody is told."""

from __future__ import annotations

from pathlib import Path

from headrace.schema_files import FOLDER, latest
from headrace.topology import aggregates
from headrace.topology.anomalies import Watch
from headrace.topology.metrics import Metric
from headrace.topology.model import ALERTS_SCHEMA, Topology
from headrace.topology.tree import Path as Place
from headrace.topology.tree import Tree

MINUTE_S = 60


def run(topology: Topology, tree: Tree, root: Path) -> None:
    """Note every problem on the tree."""
    declared = topology.anomalies
    if declared.season_minutes % declared.slot_minutes:
        tree.problem(
            ("anomalies", "slot_minutes"), declared.slot_minutes,
            f"a season of {declared.season_minutes} minutes has no whole number of such slots",
            "choose a divisor of season_minutes",
        )  # fmt: skip
    for name, watch in declared.watches.items():
        at: Place = ("anomalies", "watches", name)
        metric = topology.metrics.get(watch.metric)
        if watch.group not in declared.groups:
            tree.problem(
                (*at, "group"), watch.group, "no such group of alerts",
                f"declared: {', '.join(declared.groups) or 'none'}",
            )  # fmt: skip
        if metric is None:
            tree.problem(
                (*at, "metric"), watch.metric, "no such metric",
                f"declared: {', '.join(topology.metrics) or 'none'}",
            )  # fmt: skip
        elif len(metric.measure.forms) == 1:
            _metric(topology, tree, at, watch, metric)
    _topic(topology, tree, root)


def _metric(topology: Topology, tree: Tree, at: Place, watch: Watch, metric: Metric) -> None:
    view = topology.clickhouse.views.get(metric.view)
    grain = None if view is None else aggregates.grain_s(view, metric.time)
    if grain not in (None, MINUTE_S):
        tree.problem(
            (*at, "metric"), watch.metric, f"its steps are {grain} s long",
            "watch one of a view by minute",
        )  # fmt: skip
    known = ", ".join(metric.dimensions) or "none"
    for i, dimension in enumerate(watch.by):
        if dimension not in metric.dimensions:
            tree.problem(
                (*at, "by", i), dimension, "not a dimension of the metric", f"it has: {known}"
            )
    for dimension in watch.where:
        if dimension not in metric.dimensions:
            tree.problem(
                (*at, "where", dimension), dimension, "not a dimension of the metric",
                f"it has: {known}",
            )  # fmt: skip
    levels = ", ".join(map(str, metric.measure.levels))
    if metric.measure.kind == "quantile" and watch.level not in metric.measure.levels:
        tree.problem(
            (*at, "level"), watch.level, "not a level of the metric", f"choose one of {levels}"
        )
    if metric.measure.kind != "quantile" and watch.level is not None:
        tree.problem(
            (*at, "level"), watch.level, "only metrics of quantiles have levels", "leave it out"
        )


def _topic(topology: Topology, tree: Tree, root: Path) -> None:
    """The topic of alerts is not the topology's to declare; its records have a schema."""
    if not topology.anomalies.watches:
        return
    path = latest(root / FOLDER, ALERTS_SCHEMA)
    if not path.exists():
        tree.problem(
            ("anomalies", "watches"), ", ".join(topology.anomalies.watches),
            f"there is no schemas/{path.name}, which alerts are written with",
            "copy it from Headrace's own project, then run 'headrace schemas register'",
        )  # fmt: skip
    if topology.alerts_topic in topology.topics:
        name = topology.alerts_topic
        tree.problem(("topics", name), name, "is the topic of alerts", "rename it")
