"""Refusals for the audit, whoever makes how many."""

from __future__ import annotations

import threading
from collections import Counter

from headrace.errors import Transient
from headrace.serve.auth.refusals import AT_ONCE, MAX_CLIENTS, OTHERS, SUMS, Refusals


class Written:
    """Collects what would be written; ``broken`` as often as it says."""

    def __init__(self, broken: int = 0) -> None:
        self.entries: list[tuple[str, str, int]] = []
        self.broken = broken
        self.any, self.enough = threading.Event(), threading.Event()

    def __call__(self, client: str, reason: str, count: int) -> None:
        if self.broken:
            self.broken -= 1
            raise Transient("Kafka does not answer")
        self.entries.append((client, reason, count))
        self.any.set()
        if sum(n for *_, n in self.entries) >= 3:
            self.enough.set()


def test_the_first_is_told_at_once_and_the_others_as_a_sum() -> None:
    written = Written()
    refusals = Refusals(written)
    refusals.note("ann", "expired")
    assert written.any.wait(5), "not only when the minute is over"
    for _ in range(1_000):
        refusals.note("ann", "expired")
    refusals.note("ann", "audience")
    refusals.close()
    assert sorted(written.entries) == [
        ("ann", "audience", 1), ("ann", "expired", 1), ("ann", "expired", 1_000),
    ]  # fmt: skip


def test_an_interval_ends_by_itself_and_who_goes_on_is_not_new() -> None:
    written = Written()
    refusals = Refusals(written, interval_s=0.05)
    for _ in range(3):
        refusals.note("ann", "expired")
    assert written.enough.wait(5)
    refusals.close()


def test_a_flood_of_clients_makes_a_bounded_number_of_entries_and_loses_none() -> None:
    written = Written()
    refusals = Refusals(written)
    sent: Counter[str] = Counter()
    for n in range(50_000):
        reason = ("expired", "key")[n % 2]
        refusals.note(f"address {n % 20_000}", reason)
        sent[reason] += 1
    assert len(refusals._counts) <= MAX_CLIENTS
    refusals.close()
    assert len(written.entries) <= AT_ONCE + SUMS + len(sent)
    told: Counter[str] = Counter()
    for _, reason, count in written.entries:
        told[reason] += count
    assert told == sent
    assert any(client == OTHERS for client, *_ in written.entries)


def test_what_can_not_be_recorded_now_is_recorded_later() -> None:
    written = Written(broken=1)
    refusals = Refusals(written, interval_s=0.05)
    refusals.note("ann", "expired")
    assert written.any.wait(5)
    refusals.close()
    assert written.entries == [("ann", "expired", 1)]


def test_noting_does_not_wait_for_the_audit() -> None:
    blocked, entered = threading.Event(), threading.Event()

    def slow(client: str, reason: str, count: int) -> None:
        entered.set()
        blocked.wait(30)

    refusals = Refusals(slow)
    refusals.note("ann", "expired")
    assert entered.wait(5)
    for n in range(1_000):
        refusals.note(f"address {n}", "expired")  # would hang here
    blocked.set()
    refusals.close()
