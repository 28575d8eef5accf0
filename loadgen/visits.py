"""Visits: what people do on the pages, up to the checkout of what is in their carts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.lateness import Lateness
from loadgen.rows import MAX_LINES, SESSIONS, Rows, blank
from loadgen.timeline import Timeline
from loadgen.world import World, choose

Ints = npt.NDArray[np.int64]

SHORTEST, EXTRA = 3, 6  # steps of a visit: 3 + Poisson(6)
MEAN_STEPS = SHORTEST + EXTRA
#: A visit without a checkout lets its cart go; a fifth of the checkouts does too.
CHECKOUTS_PER_ORDER = 1.25
GAP_S = 1.5  # mean time between two steps
TYPE_WEIGHTS = (0.20, 0.12, 0.43, 0.20, 0.05, 0.0)


class Carts(NamedTuple):
    """Carts that become orders: one entry a buyer; lines padded with zeros to ``MAX_LINES``."""

    user: Ints
    at_us: Ints  # when the checkout began, simulated
    scale: npt.NDArray[np.float64]
    lines: Ints  # how many
    product: Ints  # (n, MAX_LINES), as the two below
    quantity: Ints
    price: Ints

    def pick(self, which: Ints) -> Carts:
        """These carts, in this order."""
        return Carts(
            self.user[which],
            self.at_us[which],
            self.scale[which],
            self.lines[which],
            self.product[which],
            self.quantity[which],
            self.price[which],
        )


class _Steps(NamedTuple):
    """All steps of all visits, one after the other."""

    visit: Ints
    first: Ints  # row of the visit's first step
    type: Ints
    product: Ints
    kept: npt.NDArray[np.bool_]  # a cart_add that no cart_remove undoes


def visits(
    world: World,
    timeline: Timeline,
    late: Lateness,
    rng: np.random.Generator,
    *,
    starts: Ints,
    scale: npt.NDArray[np.float64],
    base_cents: Ints,
    first_id: int,
    orders: int,
) -> tuple[Rows, Carts]:
    """Visits that begin at ``starts`` (simulated µs), and up to ``orders`` carts to be bought.

    ``scale`` stretches the time a visit takes. A cart_add names a product viewed before in the
    visit, a cart_remove the last thing added.
    """
    users = world.visitors(rng, timeline.regions(rng, len(starts), int(starts[0])))
    lengths = SHORTEST + rng.poisson(EXTRA, len(starts))
    steps = _steps(world, rng, users, lengths)
    gaps = rng.exponential(GAP_S * 1e6, len(steps.visit)) * scale[steps.visit]
    elapsed = np.cumsum(gaps)
    at_us = (starts[steps.visit] + elapsed - elapsed[steps.first]).astype(np.int64)

    rows = _rows(world, rng, steps, users, base_cents)
    rows["session"] = first_id + steps.visit
    rows["send"] = at_us + late.delays(rng, scale[steps.visit])
    rows["at"] = timeline.event_ms(at_us)

    last_us = at_us[np.cumsum(lengths) - 1]
    carts = _carts(rows, steps, users, scale, last_us)
    wanted = min(round(orders * CHECKOUTS_PER_ORDER), len(carts.user))
    leaving = rng.permutation(len(carts.user))[:wanted]
    pause = rng.exponential(GAP_S * 1e6, wanted) * carts.scale[leaving]
    checkout = carts.pick(leaving)
    checkout = checkout._replace(at_us=checkout.at_us + pause.astype(np.int64))
    visit_of = np.unique(steps.visit[steps.kept])[leaving]
    ends = _checkouts(timeline, rng, checkout, rows[np.cumsum(lengths)[visit_of] - 1])
    return np.concatenate([rows, ends]), checkout.pick(np.arange(min(orders, wanted)))


def _steps(world: World, rng: np.random.Generator, users: Ints, lengths: Ints) -> _Steps:
    visit = np.repeat(np.arange(len(lengths)), lengths)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    kind = choose(rng.random(len(visit)), TYPE_WEIGHTS)
    kind[first] = v.PAGE_VIEW

    # What can't be added (nothing viewed yet) is viewed instead.
    adds_nothing = (kind == v.CART_ADD) & (_last(kind == v.PRODUCT_VIEW) < first)
    kind[adds_nothing] = v.PRODUCT_VIEW
    views = np.flatnonzero(kind == v.PRODUCT_VIEW)
    product = np.full(len(visit), -1)
    product[views] = world.interests(rng, users[visit[views]])
    adding = kind == v.CART_ADD
    product[adding] = product[_last(kind == v.PRODUCT_VIEW)[adding]]

    # A removal undoes the last addition, once; any other is a page view.
    added = _last(adding)
    removing = kind == v.CART_REMOVE
    before = np.concatenate([[-1], _last(removing)[:-1]])
    idle = removing & ((added < first) | (before > added))
    kind[idle] = v.PAGE_VIEW
    removing &= ~idle
    product[removing] = product[added[removing]]
    kept = adding.copy()
    kept[added[removing]] = False
    return _Steps(visit, first, kind, product, kept)


def _last(where: npt.NDArray[np.bool_]) -> Ints:
    """For each row, the nearest row at or before it where the mask holds, or -1."""
    return np.maximum.accumulate(np.where(where, np.arange(len(where)), -1))


def _rows(
    world: World, rng: np.random.Generator, steps: _Steps, users: Ints, base_cents: Ints
) -> Rows:
    n = len(steps.visit)
    rows = blank(SESSIONS, n, rng)
    user = users[steps.visit]
    kind, product = steps.type, steps.product
    rows["user"], rows["type"], rows["product"] = user, kind, product
    region = world.user_region[user].astype(np.int64)
    rows["region"], rows["device"] = region, world.user_device[user]

    spread = rng.random(n)
    rows["page"] = np.where(kind == v.PAGE_VIEW, (spread * spread * len(v.PAGES)).astype(int), -1)
    rows["query"] = np.where(kind == v.SEARCH, (spread * len(v.QUERIES)).astype(int), -1)
    quantity = 1 + (spread < 0.2) + (spread < 0.05)
    adding = kind == v.CART_ADD
    removing = kind == v.CART_REMOVE
    quantity[removing] = quantity[_last(adding)[removing]]
    rows["quantity"] = np.where(adding | removing, quantity, -1)
    price = world.prices(base_cents, np.maximum(product, 0), region)
    rows["price"] = np.where(adding, price, -1)
    rows["cart"] = -1
    known = (steps.first == np.arange(n)) & (spread < 0.6)
    rows["referrer"] = np.where(known, (spread / 0.6 * len(v.REFERRERS)).astype(int), -1)
    return rows


def _carts(
    rows: Rows, steps: _Steps, users: Ints, scale: npt.NDArray[np.float64], last_us: Ints
) -> Carts:
    """What is left in the carts: one entry a visit that has any, its products once each."""
    kept = np.flatnonzero(steps.kept)
    width = int(steps.product.max(initial=0)) + 1
    pairs, firsts, inverse = np.unique(
        steps.visit[kept] * width + steps.product[kept], return_index=True, return_inverse=True
    )
    quantity = np.bincount(inverse, rows["quantity"][kept], len(pairs)).astype(np.int64)
    visit, product = np.divmod(pairs, width)
    owners, begins, counts = np.unique(visit, return_index=True, return_counts=True)
    lines = np.minimum(counts, MAX_LINES)  # what does not fit is bought another day
    slots = np.arange(MAX_LINES)
    real = slots < lines[:, None]
    index = np.where(real, begins[:, None] + slots, 0)
    return Carts(
        users[owners],
        last_us[owners],
        scale[owners],
        lines,
        np.where(real, product[index], 0),
        np.where(real, quantity[index], 0),
        np.where(real, rows["price"][kept][firsts][index], 0),
    )


def _checkouts(timeline: Timeline, rng: np.random.Generator, carts: Carts, last: Rows) -> Rows:
    """One checkout_started for each cart; ``last`` are the visits' last steps. Never late."""
    rows = blank(SESSIONS, len(carts.user), rng)
    for same in ("user", "session", "device", "region"):
        rows[same] = last[same]
    rows["type"] = v.CHECKOUT
    rows["send"], rows["at"] = carts.at_us, timeline.event_ms(carts.at_us)
    for null in ("page", "query", "product", "quantity", "price", "referrer"):
        rows[null] = -1
    rows["cart"] = (carts.quantity * carts.price).sum(axis=1)
    return rows
