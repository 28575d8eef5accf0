"""Every event to its raw table. ClickHouse's views aggregate from there."""

from __future__ import annotations

from headrace.frame import Frame
from headrace.writes import Rows, Writes

#: Topic → raw table.
TABLES = {
    "shop.catalog": "catalog",
    "shop.sessions": "sessions",
    "shop.orders": "orders",
    "shop.payments": "payments",
    "platform.requests": "requests",
    "platform.flags": "flags",
}


def analytics(frame: Frame) -> Writes:
    """All columns of all events, as they are."""
    return Writes((Rows(TABLES[frame.topic], frame.df),))
