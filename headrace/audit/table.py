"""Comparing the table's rows with the topic's entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.audit.chain import Fault, Record
from headrace.audit.entry import Entry

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows that contradict the topic, and entries behind the table's last row."""

    faults: list[Fault]
    uncopied: list[Entry]


def compare(records: Sequence[Record], rows: Sequence[Row]) -> Comparison:
    """Hold each row against the entry of its number.

    Entries behind the last row are no fault: whoever recorded them does not write to the table,
    or died before it did.
    """
    entries = {r.entry.sequence: r.entry for r in records if r.entry is not None}
    last = max((row["sequence"] for row in rows), default=0)
    return Comparison(
        list(_faults(entries, rows, last)), [e for n, e in entries.items() if n > last]
    )


def _faults(entries: Mapping[int, Entry], rows: Sequence[Row], last: int) -> Iterator[Fault]:
    counts = Counter(row["sequence"] for row in rows)
    for number in sorted(n for n in entries if n <= last and n not in counts):
        yield Fault(f"row {number}", "is missing")
    for row in rows:
        number = row["sequence"]
        where = f"row {number}"
        if number not in entries:
            yield Fault(where, "is not in the topic")
            continue
        entry = entries[number].as_row()
        changed = [name for name in entry if row[name] != entry[name]]
        if changed:
            what = ", ".join(f"{name} {row[name]!r}, not {entry[name]!r}" for name in changed)
            yield Fault(where, f"was changed: {what}")
    for number in sorted(n for n, count in counts.items() if count > 1):
        yield Fault(f"row {number}", f"is there {counts[number]} times")
