"""What every contestant is told, and how it answers. Standard library only: peers have no other.

A contestant is run as ``PROGRAM JOB BOOTSTRAP TOPIC EVENTS`` and consumes the topic's first EVENTS
records, all there are. The values are ``schemas/payments.avsc`` behind Confluent's five bytes.

- ``consume``: count the records, values untouched;
- ``decode``: decode every value and add up the amounts;
- ``minutes``: events and amount by minute of ``occurred_at`` and ``type``, the record's key;
- ``users``: the same by minute and ``user_id``, the record's key then.

It prints one line ``RESULT {…}``, see ``bench.meter``. Answers that are too large to print are
summed up by ``checksum``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

JOBS = ("consume", "decode", "minutes", "users")
SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "payments.avsc"
#: Magic byte and schema id before the Avro datum.
FRAMING = 5
PARTITIONS = 4
MINUTE_MS = 60_000
MODULUS = 1 << 64


def consumed(events: int) -> dict[str, Any]:
    """The answer of ``consume``."""
    return {"events": events}


def decoded(events: int, cents: int) -> dict[str, Any]:
    """The answer of ``decode``."""
    return {"events": events, "cents": cents}


def minutes(groups: Iterable[tuple[int, str, int, int]]) -> dict[str, list[int]]:
    """The answer of ``minutes``: (minute in ms, type, events, cents); parts of a group add up."""
    answer: dict[str, list[int]] = {}
    for minute, kind, events, cents in groups:
        entry = answer.setdefault(f"{minute} {kind}", [0, 0])
        entry[0] += events
        entry[1] += cents
    return dict(sorted(answer.items()))


def users(groups: Iterable[tuple[int, int, int, int]]) -> dict[str, Any]:
    """The answer of ``users``: (minute in ms, number of the user, events, cents), each group once.

    ``checksum`` is the sum of (user * 31 + minutes since 1970) * (cents * 7 + events) over all
    groups, modulo 2^64.
    """
    entries = total_events = total_cents = checksum = 0
    for minute, user, events, cents in groups:
        entries += 1
        total_events += events
        total_cents += cents
        checksum += (user * 31 + minute // MINUTE_MS) * (cents * 7 + events)
    return {
        "groups": entries,
        "events": total_events,
        "cents": total_cents,
        "checksum": str(checksum % MODULUS),
    }
