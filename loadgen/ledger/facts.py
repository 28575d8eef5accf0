"""What the sections count: one stream's good records of a chunk, with what many sections need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.rows import ORDERS, SESSIONS, Rows
from loadgen.world import World

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Records of one stream in the order of sending, damaged ones left out."""

    stream: str
    world: World
    rows: Rows
    seq: Ints
    partitions: npt.NDArray[np.int32]
    event_ids: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Order lines of the placed orders, one row a line, in the order of sending."""

    order: Ints  # index into the facts' rows
    user: Ints
    at: Ints
    region: Ints
    product: Ints
    quantity: Ints
    price: Ints  # cents of one unit


def lines_of(facts: Facts) -> Lines:
    """The lines of these order events (only 'placed' has any)."""
    assert facts.stream == ORDERS
    rows = facts.rows
    placed = np.flatnonzero(rows["type"] == v.PLACED)
    slots = np.arange(rows["line_product"].shape[1])
    which, slot = np.nonzero(slots < rows["lines"][placed][:, None])
    order = placed[which]
    return Lines(
        order,
        rows["user"][order].astype(np.int64),
        rows["at"][order],
        rows["region"][order].astype(np.int64),
        rows["line_product"][order, slot].astype(np.int64),
        rows["line_quantity"][order, slot].astype(np.int64),
        rows["line_price"][order, slot],
    )


def shopping(facts: Facts) -> dict[int, Rows]:
    """Session rows by type, for the types that feed features."""
    assert facts.stream == SESSIONS
    kind = facts.rows["type"]
    return {
        which: facts.rows[kind == which] for which in (v.PRODUCT_VIEW, v.CART_ADD, v.CART_REMOVE)
    }
