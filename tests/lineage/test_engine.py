"""What is read from a view's SQL is what ClickHouse's engine makes of it: change a field of the
events, and the view's rows change if and only if the lineage says that it feeds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace import topology
from headrace.lineage import How, Kind, Lineage, Node
from headrace.lineage.project import of_project
from headrace.lineage.samples import Samples
from headrace.schema import Registry
from headrace.testing import Project
from headrace.testing.views import Row, rows_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    return of_project(ROOT)


def claimed(lineage: Lineage, topic: str, path: str, view: str) -> dict[str, set[How]]:
    """The view's columns that a field feeds by way of a raw table, and how."""
    found: dict[str, set[How]] = {}
    for copied in lineage.feeds(Node(Kind.FIELD, topic, path)):
        for edge in lineage.feeds(copied.target) if copied.target.kind is Kind.COLUMN else ():
            if (edge.target.kind, edge.target.owner) == (Kind.VIEW, view):
                found.setdefault(edge.target.part, set()).add(edge.how)
    return found


def differing(before: list[Row], after: list[Row], keys: tuple[str, ...]) -> set[str] | None:
    """Columns in which rows differ; None where the rows are others."""
    held, found = ({tuple(row[k] for k in keys): row for row in rows} for rows in (before, after))
    if held.keys() != found.keys():
        return None
    return {c for key, row in held.items() for c in row if row[c] != found[key][c]}


@pytest.mark.parametrize(
    ("view", "topic"),
    [("revenue_by_category", "shop.orders"), ("requests_by_minute", "platform.requests")],
)
def test_the_engine_agrees(lineage: Lineage, view: str, topic: str):
    declared = topology.load(ROOT)
    samples = Samples(declared, topic, Registry.load(ROOT))
    keys = declared.clickhouse.views[view].order_by
    runs = [[samples.frame()], *([samples.frame(path)] for path in samples.paths)]
    before, *after = rows_of(Project(ROOT), view, *runs)
    assert before
    for path, rows in zip(samples.paths, after, strict=True):
        columns = claimed(lineage, topic, path, view)
        changed = differing(before, rows, keys)
        assert (changed is None or changed != set()) == bool(columns), path
        if changed is not None and all(hows == {How.VALUE} for hows in columns.values()):
            assert changed == set(columns), path
