"""Lives of orders: placed, paid for, packed, shipped, delivered, and what goes wrong.

Every life is a way through ``SLOTS`` in their order; the legal ways are ``PATHS``. Event time and
sending both increase strictly along a life, over both streams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.lateness import Lateness
from loadgen.rows import ORDERS, PAYMENTS, Rows, blank
from loadgen.timeline import Timeline
from loadgen.visits import Carts
from loadgen.world import World, choose

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Slot(NamedTuple):
    """One possible step: its stream and type, and the mean time since the step before."""

    stream: str
    type: int
    mean_s: float


SLOTS = (
    Slot(ORDERS, v.PLACED, 0.5),
    Slot(PAYMENTS, v.FAILED, 1.0),
    Slot(PAYMENTS, v.FAILED, 1.5),
    Slot(PAYMENTS, v.AUTHORISED, 0.8),
    Slot(PAYMENTS, v.CAPTURED, 1.0),
    Slot(ORDERS, v.PAID, 0.2),
    Slot(ORDERS, v.PACKED, 4.0),
    Slot(ORDERS, v.SHIPPED, 8.0),
    Slot(ORDERS, v.DELIVERED, 12.0),
    Slot(ORDERS, v.CANCELLED, 3.0),
    Slot(PAYMENTS, v.PAID_BACK, 2.0),
    Slot(ORDERS, v.REFUNDED, 0.5),
)
_AUTHORISED, _CANCELLED, _PAID_BACK, _REFUNDED = 3, 9, 10, 11


class Path(NamedTuple):
    """One way of an order's life and how often it is taken."""

    name: str
    weight: float
    slots: tuple[int, ...]


PATHS = (
    Path("delivered", 0.80, (0, 3, 4, 5, 6, 7, 8)),
    Path("delivered after a failed payment", 0.07, (0, 1, 3, 4, 5, 6, 7, 8)),
    Path("never paid", 0.03, (0, 1, 2, 9)),
    Path("cancelled, money back", 0.05, (0, 3, 4, 5, 9, 10)),
    Path("returned, money back", 0.05, (0, 3, 4, 5, 6, 7, 8, 10, 11)),
)
_NEVER_PAID, _RETURNED = 2, 4
_TAKES = np.zeros((len(PATHS), len(SLOTS)), bool)
for _i, _path in enumerate(PATHS):
    _TAKES[_i, list(_path.slots)] = True

#: Mean number of order events of an order.
EVENTS_PER_ORDER = sum(
    path.weight * sum(SLOTS[slot].stream == ORDERS for slot in path.slots) for path in PATHS
)


def lives(
    world: World,
    timeline: Timeline,
    late: Lateness,
    rng: np.random.Generator,
    *,
    carts: Carts,
    first_id: int,
    never_paid: Mask,
) -> tuple[Rows, Rows]:
    """All order and payment events of these carts; ``never_paid`` are those that can't be."""
    n, slots = len(carts.user), len(SLOTS)
    path = choose(rng.random(n), [p.weight for p in PATHS])
    path[never_paid] = _NEVER_PAID
    takes = _TAKES[path]
    means = np.array([slot.mean_s for slot in SLOTS]) * 1e6
    delays = rng.exponential(1.0, (n, slots)) * means * carts.scale[:, None] * takes
    at_us = carts.at_us[:, None] + np.cumsum(delays, axis=1).astype(np.int64)
    slow = late.delays(rng, carts.scale[:, None], (n, slots)) * takes
    send = _strictly(at_us + slow, takes)
    at_ms = _strictly(timeline.event_ms(at_us), takes)

    total = (carts.quantity * carts.price).sum(axis=1)
    part = (path == _RETURNED) & (rng.random(n) < 0.5)
    refund = np.where(part, (total + 1) // 2, total)
    returned_as = np.where(rng.random(n) < 0.3, 3, 2)
    tries = np.cumsum(takes[:, 1:3], axis=1)

    common = _Common(world, carts, takes, at_ms, send, first_id)
    orders, who, slot = common.rows(ORDERS, rng)
    orders["total"] = total[who]
    placed = slot == 0
    orders["lines"] = np.where(placed, carts.lines[who], 0)
    for field, values in (
        ("line_product", carts.product),
        ("line_quantity", carts.quantity),
        ("line_price", carts.price),
    ):
        orders[field] = np.where(placed[:, None], values[who], 0)
    shipped = slot == 7
    orders["carrier"] = np.where(shipped, rng.integers(0, len(v.CARRIERS), len(who)), -1)
    orders["reason"] = -1
    cancelled, refunded = slot == _CANCELLED, slot == _REFUNDED
    orders["reason"][cancelled] = np.where(path[who[cancelled]] == _NEVER_PAID, 0, 1)
    orders["reason"][refunded] = returned_as[who[refunded]]
    orders["refund"] = np.where(refunded, refund[who], -1)

    payments, who, slot = common.rows(PAYMENTS, rng)
    failed = slot < _AUTHORISED
    payments["attempt"] = np.where(failed, slot, tries[who, 1] + 1)
    payments["method"] = world.user_method[carts.user[who]]
    payments["amount"] = np.where(slot == _PAID_BACK, refund[who], total[who])
    payments["failure"] = np.where(failed, rng.integers(0, len(v.FAILURES), len(who)), -1)
    return orders, payments


class _Common(NamedTuple):
    world: World
    carts: Carts
    takes: Mask
    at_ms: Ints
    send: Ints
    first_id: int

    def rows(self, stream: str, rng: np.random.Generator) -> tuple[Rows, Ints, Ints]:
        """Rows of one stream's steps, with the index of the order and the slot of each."""
        ours = np.array([slot.stream == stream for slot in SLOTS])
        who, slot = np.nonzero(self.takes & ours)
        rows = blank(stream, len(who), rng)
        rows["send"], rows["at"] = self.send[who, slot], self.at_ms[who, slot]
        rows["type"] = np.array([s.type for s in SLOTS])[slot]
        rows["user"] = self.carts.user[who]
        rows["order"] = self.first_id + who
        region = self.world.user_region[rows["user"]]
        rows["region"] = region
        rows["currency"] = np.array(v.REGION_CURRENCY)[region]
        return rows, who, slot


def _strictly(times: Ints, takes: Mask) -> Ints:
    """The times moved up where needed so that they increase strictly along the taken slots."""
    rank = np.cumsum(takes, axis=1)
    return np.maximum.accumulate(times - rank, axis=1) + rank
