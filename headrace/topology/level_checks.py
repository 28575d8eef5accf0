"""Whether the service levels can be watched."""

from __future__ import annotations

from headrace.topology.burn import lowest_target
from headrace.topology.model import Topology
from headrace.topology.tree import Tree


def run(topology: Topology, tree: Tree) -> None:
    """Note every level that can't."""
    if topology.service_levels is None:
        return
    for path, level in topology.service_levels.declared().items():
        lowest = lowest_target(level)
        if level.target <= lowest:
            tree.problem(
                ("service_levels", *path, "target"), level.target,
                "so low that the fastest alert could not fire if everything failed",
                f"more than {lowest:.3f} over {level.window_days} days, or a shorter window_days",
            )  # fmt: skip
