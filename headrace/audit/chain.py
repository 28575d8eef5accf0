"""The hash chain as pure functions: the next entry, and what is wrong with those there are."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from headrace.audit.entry import GENESIS, Digest, Entry, Facts, Outcome, digest, sign


@dataclass(frozen=True, slots=True)
class Record:
    """What stands at an offset of the topic: an entry, or why it is none."""

    offset: int
    entry: Entry | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that an untouched audit does not have, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Anchor(BaseModel):
    """An entry that somebody wrote down elsewhere. It proves all entries up to its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    sequence: int
    hash: Digest


def following(last: Entry | None, facts: Facts, now_ms: int, key: bytes | None) -> Entry:
    """The entry that continues the chain after ``last`` (None: the first one)."""
    content = {
        "sequence": last.sequence + 1 if last else 1,
        "time_ms": now_ms,
        "act": facts.act,
        "actor": facts.actor,
        "subject": facts.subject,
        "outcome": facts.outcome,
        "details": dict(facts.details),
        "intent": facts.intent,
        "previous": last.hash if last else GENESIS,
    }
    hash_ = digest(content)
    return Entry.model_validate({**content, "hash": hash_, "signature": sign(key, hash_)})


def verify(
    records: Sequence[Record], key: bytes | None = None, anchor: Anchor | None = None
) -> list[Fault]:
    """Every fault, in the order of the topic; none when the chain is whole.

    A removed, changed, moved or inserted record is found by the chain alone if an entry follows
    it. That the end was cut off, or that the chain was computed anew, is found by an ``anchor`` at
    or behind the place. With a ``key`` every entry must be signed with it, except those that the
    anchor proves: so a key may come or change after an anchor was taken.
    """
    faults = _against(records, anchor) if anchor else []
    proven = anchor.sequence if anchor and not faults else 0
    last: Entry | None = None
    for record in records:
        entry = record.entry
        if entry is None:
            faults.append(Fault(f"offset {record.offset}", f"is not an entry: {record.problem}"))
            continue
        where = f"entry {entry.sequence}"
        faults += [
            Fault(where, what) for what in _own(entry, None if _within(entry, proven) else key)
        ]
        faults += [Fault(where, what) for what in _link(last, entry)]
        if last is None or entry.sequence > last.sequence:
            last = entry
    return faults


def _within(entry: Entry, proven: int) -> bool:
    return entry.sequence <= proven


def _own(entry: Entry, key: bytes | None) -> Iterator[str]:
    """What is wrong with an entry by itself."""
    if digest(entry.content()) != entry.hash:
        yield "was changed: its hash is not that of its content"
    if key is None:
        return
    if not entry.signature:
        yield "is not signed"
    elif not hmac.compare_digest(sign(key, entry.hash), entry.signature):
        yield "is signed with another key, or was changed"


def _link(last: Entry | None, entry: Entry) -> Iterator[str]:
    """What is wrong between an entry and those before it."""
    number, previous = (last.sequence, last.hash) if last else (0, GENESIS)
    if entry.sequence > number + 1:
        yield f"{_numbers(number + 1, entry.sequence - 1)} missing before it"
    elif entry.sequence <= number:
        yield f"stands behind entry {number}: moved, repeated or inserted"
    elif entry.previous != previous:
        yield f"does not continue entry {number}: one of the two was changed or put in"


def _numbers(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _against(records: Sequence[Record], anchor: Anchor) -> list[Fault]:
    entries = [record.entry for record in records if record.entry is not None]
    hashes = {entry.hash for entry in entries if entry.sequence == anchor.sequence}
    where = f"entry {anchor.sequence}"
    if not hashes:
        last = max((entry.sequence for entry in entries), default=0)
        return [Fault(where, f"the anchored entry is missing; the last one there is {last}")]
    if hashes != {anchor.hash}:
        return [Fault(where, "is not the one that was anchored: the chain was computed anew")]
    return []


def unfinished(records: Sequence[Record]) -> list[Entry]:
    """Acts that were announced and have no outcome: still under way, or killed in between."""
    entries = [record.entry for record in records if record.entry is not None]
    ended = {entry.intent for entry in entries}
    return [e for e in entries if e.outcome is Outcome.INTENDED and e.sequence not in ended]
