"""Whether the service levels and the metrics' objectives can be watched."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.metrics.histogram import EXPOSED_MS
from headrace.topology.burn import lowest_target
from headrace.topology.levels import OWNER, Level
from headrace.topology.model import Topology
from headrace.topology.tree import Path, Tree


def run(topology: Topology, tree: Tree) -> None:
    """Note every one that can't, or of which nobody could be told."""
    for path, seconds in _freshness(topology):
        if seconds * 1000 not in EXPOSED_MS:
            bounds = ", ".join(f"{ms / 1000:g}" for ms in EXPOSED_MS)
            tree.problem(
                path, seconds, "not a bound of the freshness histogram", f"one of {bounds}"
            )
    for path, level in _levels(topology):
        lowest = lowest_target(level.window_days)
        if level.target <= lowest:
            tree.problem(
                (*path, "target"), level.target,
                "so low that the fastest alert could not fire if everything failed",
                f"more than {lowest:.3f} over {level.window_days} days",
            )  # fmt: skip
    for name, metric in topology.metrics.items():
        if metric.objective is not None and metric.owner and not re.match(OWNER, metric.owner):
            tree.problem(
                ("metrics", name, "owner"), metric.owner, "alerts can't be routed by this name",
                f"use only what matches {OWNER}",
            )  # fmt: skip


def _levels(topology: Topology) -> Iterator[tuple[Path, Level]]:
    if topology.service_levels is not None:
        for path, level in topology.service_levels.declared().items():
            yield ("service_levels", *path), level
    for name, metric in topology.metrics.items():
        if metric.objective is not None:
            yield ("metrics", name, "objective"), Level(target=metric.objective.target)


def _freshness(topology: Topology) -> Iterator[tuple[Path, float]]:
    if topology.service_levels is not None:
        for sink, within in topology.service_levels.freshness.items():
            yield ("service_levels", "freshness", sink, "seconds"), within.seconds
    for name, metric in topology.metrics.items():
        if metric.objective is not None:
            yield ("metrics", name, "objective", "freshness_s"), metric.objective.freshness_s
