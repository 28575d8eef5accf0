"""Events as packed rows: one NumPy record type a stream. Strings are codes into dictionaries.

``send`` is the simulated microsecond at which the record leaves (order of sending), ``at`` the
event time in ms. ``r0``/``r1`` are the event's 80 random bits: they make its id and trace id, so a
copy of a row is a duplicate of the event. Codes of -1 stand for null.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]

SESSIONS, ORDERS, PAYMENTS = "sessions", "orders", "payments"
REQUESTS, FLAGS, CATALOG = "requests", "flags", "catalog"
STREAMS = (CATALOG, SESSIONS, ORDERS, PAYMENTS, REQUESTS, FLAGS)

#: Values of ``mark``.
FRESH, DUPLICATE = 0, 1
BAD = 2  # and above: the kind of damage, see ``damage``

MAX_LINES = 6

_COMMON: list[Any] = [
    ("send", "i8"),
    ("at", "i8"),
    ("r0", "u8"),
    ("r1", "u2"),
    ("mark", "u1"),
    ("region", "i1"),
    ("type", "i1"),
]
_FIELDS: dict[str, list[Any]] = {
    SESSIONS: [
        ("user", "i4"),
        ("session", "i8"),
        ("device", "i1"),
        ("page", "i2"),
        ("query", "i2"),
        ("product", "i4"),
        ("quantity", "i4"),
        ("price", "i8"),  # cents; -1: null
        ("cart", "i8"),  # cents; -1: null
        ("referrer", "i1"),
    ],
    ORDERS: [
        ("user", "i4"),
        ("order", "i8"),
        ("currency", "i1"),
        ("total", "i8"),
        ("lines", "i1"),  # how many of the three below count; 0 but on 'placed'
        ("line_product", "i4", (MAX_LINES,)),
        ("line_quantity", "i4", (MAX_LINES,)),
        ("line_price", "i8", (MAX_LINES,)),
        ("carrier", "i1"),
        ("reason", "i1"),
        ("refund", "i8"),
    ],
    PAYMENTS: [
        ("user", "i4"),
        ("order", "i8"),
        ("attempt", "i1"),
        ("method", "i1"),
        ("amount", "i8"),
        ("currency", "i1"),
        ("failure", "i1"),
    ],
    REQUESTS: [
        ("tenant", "i2"),
        ("route", "i2"),
        ("status", "i2"),
        ("latency", "i8"),
        ("hit", "?"),
        ("size", "i8"),
        ("user", "i4"),
    ],
    FLAGS: [("user", "i4"), ("flag", "i1"), ("variant", "i1"), ("reason", "i1")],
    CATALOG: [
        ("product", "i4"),
        ("price", "i8"),
        ("previous", "i8"),
        ("currency", "i1"),
        ("stock", "i4"),
    ],
}
DTYPES = {stream: np.dtype(_COMMON + fields, align=True) for stream, fields in _FIELDS.items()}


def blank(stream: str, n: int, rng: np.random.Generator) -> Rows:
    """``n`` rows of a stream with fresh random bits, all else zero."""
    rows = np.zeros(n, DTYPES[stream])
    rows["r0"] = rng.integers(0, 1 << 64, n, dtype=np.uint64)
    rows["r1"] = rng.integers(0, 1 << 16, n, dtype=np.uint16)
    return rows
