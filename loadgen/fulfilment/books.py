"""The services' books: what became of every amount and every piece, by request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from loadgen.fulfilment.orders import Order

#: What is left of a request that was undone before it came: it must not be done any more.
UNDONE_BEFORE = "undone before"


@dataclass(slots=True)
class Entry:
    """One request that was done. ``worth`` is cents or pieces."""

    worth: int
    state: str


Book = dict[str, dict[str, Entry]]


@dataclass(slots=True)
class Books:
    """Entries by order and idempotency key.

    Of ``money``: authorised, captured, voided; of ``goods``: reserved, shipped, released.
    ``sums`` counts what ever happened, by word: conserved means that what came in went out.
    """

    money: Book = field(default_factory=dict)
    goods: Book = field(default_factory=dict)
    parcels: dict[str, str] = field(default_factory=dict)  # order → shipped or cancelled
    sums: Counter[str] = field(default_factory=Counter)

    def open_(self, book: Book, order: str, key: str, worth: int, word: str) -> None:
        """Write down what was done, and count it."""
        book.setdefault(order, {})[key] = Entry(worth, word)
        self.sums[word] += worth

    def close(self, entry: Entry, word: str) -> None:
        """Write down what became of it, and count it."""
        entry.state = word
        self.sums[word] += entry.worth

    def wrong(self) -> list[str]:
        """What is not conserved: empty when all came to an end, and the sums agree."""
        told = [
            f"{key}: {entry.worth} still {entry.state}"
            for book in (self.money, self.goods)
            for entries in book.values()
            for key, entry in entries.items()
            if entry.state in ("authorised", "reserved")
        ]
        for whole, *parts in (
            ("authorised", "captured", "voided"),
            ("reserved", "shipped", "released"),
        ):
            found = sum(self.sums[part] for part in parts)
            if self.sums[whole] != found:
                told.append(f"{whole} {self.sums[whole]}, {' + '.join(parts)} {found}")
        return told

    def total(self, book: Book, order: str, word: str) -> int:
        """What of an order came to that end."""
        return sum(e.worth for e in book.get(order, {}).values() if e.state == word)

    def legal(self, order: Order, end: str) -> bool:
        """Whether an order's money and goods are where its final state says."""
        captured = self.total(self.money, order.id, "captured")
        shipped = self.total(self.goods, order.id, "shipped")
        if end == "completed":
            return (captured, shipped) == (order.cents, order.pieces)
        return end in ("cancelled", "withdrawn") and (captured, shipped) == (0, 0)
