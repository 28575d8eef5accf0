"""Orders, and customers who think better of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from loadgen.fulfilment.faults import Faults

SKUS = 500
CURRENCIES = ("EUR", "USD", "GBP")


@dataclass(frozen=True, slots=True)
class Order:
    """``events`` with the time at which each arrives, in ms; ``cents`` and ``pieces`` in all."""

    id: str
    cents: int
    pieces: int
    events: tuple[tuple[int, dict[str, Any]], ...]


def orders(
    count: int, random: Random, faults: Faults, start_ms: int, per_second: float, first: int = 0
) -> Iterator[Order]:
    """Orders by time. ``faults.refuse`` of them are cancelled by the customer, now and then before
    the order has arrived; ``faults.twice`` of them arrive twice."""
    for number in range(first, first + count):
        at = start_ms + round((number - first) * 1_000 / per_second)
        yield _order(f"o-{number:09d}", at, random, faults)


def _order(order_id: str, at: int, random: Random, faults: Faults) -> Order:
    lines = [
        {"sku": f"sku-{random.randrange(SKUS)}", "quantity": random.randint(1, 4)}
        for _ in range(random.randint(1, 3))
    ]
    cents = random.randint(100, 100_000)
    placed = {
        "event_id": f"{order_id}/placed",
        "occurred_at": at,
        "type": "order_placed",
        "order_id": order_id,
        "user_id": f"u-{random.randrange(10_000)}",
        "amount": f"{cents // 100}.{cents % 100:02d}",
        "currency": random.choice(CURRENCIES),
        "lines": lines,
    }
    events = [(at, placed)]
    if random.random() < faults.twice:
        events.append((at + random.randint(1, faults.late_ms), placed))
    if random.random() < faults.refuse:
        when = at + random.randint(-200, 4 * faults.delay_ms)
        cancelled = {
            "event_id": f"{order_id}/cancel",
            "occurred_at": when,
            "type": "cancel_requested",
            "order_id": order_id,
        }
        events.append((when, cancelled))
    pieces = sum(int(line["quantity"]) for line in lines)  # type: ignore[call-overload]
    return Order(order_id, cents, pieces, tuple(events))
