"""Payments, stock and shipping: each does a request once, and answers however often it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from loadgen.fulfilment.books import UNDONE_BEFORE, Book, Books, Entry
from loadgen.fulfilment.faults import Faults

Command = Mapping[str, Any]
Answer = tuple[str, Mapping[str, Any]]
NO: Mapping[str, Any] = {}


class Services:
    """``tidy`` services remember an undo that came before what it undoes, and then refuse that.

    Others do it all the same, and say so: the process must undo it once more. Shipping always
    remembers, because a parcel that is gone can't be called back.
    """

    def __init__(self, faults: Faults, random: Random, *, tidy: bool = True) -> None:
        self.books = Books()
        self._faults = faults
        self._random = random
        self._tidy = tidy
        self._answered: dict[str, Answer] = {}
        self._asked = 0
        self._do: Mapping[str, Callable[[Command], Answer | None]] = {
            "authorise_payment": self._authorise,
            "void_payment": self._void,
            "capture_payment": self._capture,
            "reserve_stock": self._reserve,
            "release_stock": self._release,
            "ship": self._ship,
            "cancel_shipment": self._cancel,
            "notify": lambda _: None,
        }

    def handle(self, command: Command, at: int) -> dict[str, Any] | None:
        """Do what is asked at a time, and say what came of it; None for what nobody answers."""
        key = command["idempotency_key"]
        answer = self._answered.get(key)
        if answer is None:
            answer = self._do[command["type"]](command)
            if answer is None:
                return None
            self._answered[key] = answer
        self._asked += 1
        type_, more = answer
        return {
            "event_id": f"{key}/answer/{self._asked}",
            "occurred_at": at,
            "type": type_,
            "order_id": command["order_id"],
            "idempotency_key": key,
            **more,
        }

    def _no(self, type_: str, *, retryable: bool = True) -> Answer:
        return type_, {"retryable": retryable, "reason": "simulated"}

    def _authorise(self, command: Command) -> Answer:
        if self._undone_before(self.books.money, command):
            return self._no("payment_declined", retryable=False)
        if self._faults.refuses(self._random):
            return self._no("payment_declined", retryable=self._random.random() < 0.5)
        whole, _, cents = command["amount"].partition(".")
        worth = int(whole) * 100 + int(cents)
        self._open(self.books.money, command, worth, "authorised")
        return "payment_authorised", NO

    def _void(self, command: Command) -> Answer:
        self._undo(self.books.money, command, "authorised", "voided")
        return "payment_voided", NO

    def _capture(self, command: Command) -> Answer:
        held = self._held(self.books.money, command["order_id"], "authorised")
        if held is None or self._faults.refuses(self._random):
            return "capture_failed", NO
        self.books.close(held, "captured")
        return "payment_captured", NO

    def _reserve(self, command: Command) -> Answer:
        undone = self._undone_before(self.books.goods, command)
        if undone or self._faults.refuses(self._random):
            return self._no("stock_short")
        pieces = sum(line["quantity"] for line in command["lines"])
        self._open(self.books.goods, command, pieces, "reserved")
        return "stock_reserved", NO

    def _release(self, command: Command) -> Answer:
        self._undo(self.books.goods, command, "reserved", "released")
        return "stock_released", NO

    def _ship(self, command: Command) -> Answer:
        order = command["order_id"]
        held = self._held(self.books.goods, order, "reserved")
        if order in self.books.parcels or held is None or self._faults.refuses(self._random):
            return self._no("shipment_failed")
        self.books.parcels[order] = "shipped"
        self.books.close(held, "shipped")
        return "shipped", NO

    def _cancel(self, command: Command) -> Answer:
        if self.books.parcels.setdefault(command["order_id"], "cancelled") == "shipped":
            return "shipment_gone", NO
        return "shipment_cancelled", NO

    def _open(self, book: Book, command: Command, worth: int, word: str) -> None:
        self.books.open_(book, command["order_id"], command["idempotency_key"], worth, word)

    def _undone_before(self, book: Book, command: Command) -> bool:
        return command["idempotency_key"] in book.get(command["order_id"], {})

    def _undo(self, book: Book, command: Command, open_: str, word: str) -> None:
        entries = book.setdefault(command["order_id"], {})
        entry = entries.get(command["undoes"])
        if entry is None and self._tidy:
            entries[command["undoes"]] = Entry(0, UNDONE_BEFORE)
        elif entry is not None and entry.state == open_:
            self.books.close(entry, word)

    def _held(self, book: Book, order: str, state: str) -> Entry | None:
        return next((e for e in book.get(order, {}).values() if e.state == state), None)
