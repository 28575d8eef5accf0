"""``headrace plan``: what ``apply`` would change, and what that touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.cli.apply import Step, show, steps
from headrace.lineage.graph import Kind, Lineage, Node
from headrace.lineage.impact import broken, named, touched
from headrace.schema import Registry
from headrace.topology.model import Topology
from sinks.clickhouse import versions


def plan(
    json: Annotated[bool, typer.Option("--json", help="Print the steps as JSON.")] = False,
) -> None:
    """Compare the running Kafka and ClickHouse with the topology; exit code 1 on conflicts.

    A changed column or view is told with what reads it in the end: metrics, panels, alerts.
    """
    root = Path.cwd()
    declared = topology.load(root)
    planned = steps(root, declared, endpoints.load(root))
    planned = list(_Touched(declared, Registry.load(root)).steps(planned))
    show(planned, json, "would")
    if any(step.conflict for step in planned):
        raise typer.Exit(1)


class _Touched:
    """Agents run on samples for the lineage, so it is made only when something needs it."""

    def __init__(self, declared: Topology, registry: Registry) -> None:
        self._declared = declared
        self._registry = registry

    @cached_property
    def _lineage(self) -> Lineage:
        from headrace.lineage.project import of

        return of(self._declared, self._registry)

    def steps(self, planned: Sequence[Step]) -> Iterator[Step]:
        """These, and a conflict for each select that names what is not there (any more)."""
        for step in planned:
            if step.column is not None:
                yield replace(step, touches=self._of_column(step))
            elif step.object in self._declared.clickhouse.views and (step.replay or step.conflict):
                yield replace(step, touches=self._of_view(step.object))
            else:
                yield step
        yield from self._nameless()

    def _of_column(self, step: Step) -> tuple[str, ...]:
        view = versions.of(step.object, self._declared.clickhouse.views)
        column = Node(Kind.VIEW if view else Kind.COLUMN, view or step.object, str(step.column))
        inside = [n for n in self._lineage.nodes if n == column or n.within(column)]
        if step.conflict:
            return tuple(named(broken(self._lineage, inside)))
        return tuple(named(touched(self._lineage, inside)))

    def _of_view(self, view: str) -> tuple[str, ...]:
        columns = [n for n in self._lineage.nodes if (n.kind, n.owner) == (Kind.VIEW, view)]
        return tuple(named(touched(self._lineage, columns)))

    def _nameless(self) -> Iterator[Step]:
        from headrace.lineage.paths import paths
        from headrace.lineage.selects import said, selects, tables

        topics = self._declared.topics
        fields = {t: paths(self._registry.latest(topics[t].schema_).type) for t in topics}
        for one in selects(self._declared, tables(self._declared, fields)):
            for unknown in one.reads.unknown if one.reads is not None else ():
                wrong, fix = said(unknown)
                yield Step(
                    "clickhouse", one.view, f"its select from {one.source}: {wrong}; {fix}",
                    conflict=True, touches=self._of_view(one.view),
                )  # fmt: skip
