"""The selects of a topology's views, each with what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.frame import MARKS, OFFSET, PARTITION
from headrace.lineage.select import Reads, Unreadable, read
from headrace.lineage.sources import Unknown
from headrace.topology.model import Topology

#: Names that an error text lists.
LISTED = 12


@dataclass(frozen=True, slots=True)
class Selected:
    """One select. ``reads`` is None where the parser can't read it, which ``unread`` says."""

    view: str
    source: str
    reads: Reads | None
    unread: str = ""


def tables(topology: Topology, fields: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Paths of the columns that selects may name, by table; ``fields`` are those of topics."""
    declared = topology.clickhouse
    found = {name: list(view.columns) for name, view in declared.views.items()}
    for name, table in declared.tables.items():
        marks = [MARKS] if topology.marks(table.topic) else []
        found[name] = [*fields[table.topic], PARTITION, OFFSET, *marks]
    return found


def selects(topology: Topology, known: Mapping[str, Sequence[str]]) -> Iterator[Selected]:
    """All of them, in declared order; ``known`` as ``tables`` has it."""
    for name, view in topology.clickhouse.views.items():
        for source, sql in view.from_.items():
            try:
                yield Selected(name, source, read(sql, known))
            except Unreadable as error:
                yield Selected(name, source, None, str(error))


def said(unknown: Unknown) -> tuple[str, str]:
    """What is wrong with a name, and the fix."""
    names = ", ".join(unknown.known[:LISTED]) + (", …" if len(unknown.known) > LISTED else "")
    return f"{unknown.where} has no column {unknown.name!r}", f"it has: {names}"
