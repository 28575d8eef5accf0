"""The outcome of a verification, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadgen.verify.compare import Section


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, and what differs."""

    sections: Sequence[Section]
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        """Items compared, over all comparisons."""
        return sum(section.compared for section in self.sections)

    @property
    def differing(self) -> int:
        """Items that are not equal."""
        return sum(section.differing for section in self.sections)

    @property
    def verified(self) -> bool:
        """Whether something was compared and nothing differs."""
        return self.compared > 0 and self.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "verified": self.verified,
            "compared": self.compared,
            "differing": self.differing,
            **self.notes,
            "sections": [asdict(section) for section in self.sections],
        }

    def show(self, console: Console) -> None:
        """Print a table of sections, a column a comparison, then the differences."""
        names = list(dict.fromkeys(s.comparison for s in self.sections))
        table = Table(title="Items compared", title_justify="left")
        table.add_column("section")
        for name in names:
            table.add_column(name, justify="right")
        by_section: dict[str, dict[str, Section]] = {}
        for s in self.sections:
            by_section.setdefault(s.section, {})[s.comparison] = s
        for section, outcomes in by_section.items():
            table.add_row(section, *(_cell(outcomes.get(name)) for name in names))
        console.print(table)
        for name, value in self.notes.items():
            console.print(f"{name.replace('_', ' ')}: {value:,}")
        for s in self.sections:
            for d in s.examples:
                key = escape(f"[{d.key}]")
                console.print(
                    f"[red]differs[/] {s.comparison}: {d.section} {key} {d.column}: "
                    f"expected {escape(repr(d.expected))}, found {escape(repr(d.found))}",
                    highlight=False,
                )
            if s.differing > len(s.examples):
                rest = s.differing - len(s.examples)
                console.print(f"        … and {rest:,} more in {s.section}")


def _cell(section: Section | None) -> str:
    if section is None:
        return "–"
    if section.differing:
        return f"[red]{section.differing:,} of {section.compared:,} differ[/]"
    return f"{section.compared:,}"
