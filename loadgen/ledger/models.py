"""Sections of the read models: ``redis.order``, ``redis.order:history``, ``redis.product:card``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from loadgen import vocabulary as v
from loadgen.ledger.facts import Facts
from loadgen.ledger.fold import Fold, Latest
from loadgen.ledger.values import ENTRY, entries, floats, label, last, number
from loadgen.rows import MAX_LINES
from loadgen.world import World

#: Members of an order's history, by code: steps of the order, then of its payments. There are
#: fewer than the 32 that are kept, so nothing is ever trimmed.
HISTORY = (*v.ORDER_TYPES, *(f"payment.{name}" for name in v.PAYMENT_TYPES))


class Models:
    """Orders and product cards as of the greatest event time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._state = Latest(["order"], ["user", "type", "currency", "total"])
        columns = [f"{name}{i}" for i in range(MAX_LINES) for name in "pqc"]
        self._lines = Latest(["order"], ["lines", *columns])
        self._payment = Latest(["order"], ["type", "attempt", "method", "amount"])
        self._history = Fold(["order", "what"], {"at": "max"})
        self._card = Latest(["product"], ["type", "price", "currency"])
        self._name = Latest(["product"], [])

    def orders(self, facts: Facts) -> None:
        rows = facts.rows
        _put(self._state, facts, ["order", "user", "type", "currency", "total"])
        self._history.add(order=rows["order"], what=rows["type"], at=rows["at"])
        which = rows["type"] == v.PLACED
        placed = rows[which]
        columns: dict[str, npt.NDArray[np.int64]] = {}
        for i in range(MAX_LINES):
            columns[f"p{i}"] = placed["line_product"][:, i]
            columns[f"q{i}"] = placed["line_quantity"][:, i]
            columns[f"c{i}"] = placed["line_price"][:, i]
        self._lines.add(
            order=placed["order"],
            at=placed["at"],
            seq=facts.seq[which],
            lines=placed["lines"],
            **columns,
        )

    def payments(self, facts: Facts) -> None:
        rows = facts.rows
        _put(self._payment, facts, ["order", "type", "attempt", "method", "amount"])
        what = (rows["type"] + len(v.ORDER_TYPES)).astype(np.int8)
        self._history.add(order=rows["order"], what=what, at=rows["at"])

    def catalog(self, facts: Facts) -> None:
        _put(self._card, facts, ["product", "type", "price", "currency"])
        created = facts.rows["type"] == 0
        rows = facts.rows[created]
        self._name.add(product=rows["product"], at=rows["at"], seq=facts.seq[created])

    def sections(self) -> dict[str, pl.DataFrame]:
        """The keyspaces' sections."""
        history = self._history.frame()
        return {
            "redis.order": pl.concat([self._states(), self._ordered(), self._payments()]),
            "redis.order:history": entries(
                history.with_columns(floats(history, "at")),
                _order_id(),
                label("what", HISTORY),
                pl.col("at"),
            ),
            "redis.product:card": pl.concat([self._cards(), self._names()]),
        }

    def _states(self) -> pl.DataFrame:
        json = _object(
            status=_quoted(label("type", v.ORDER_TYPES)),
            user_id=_quoted(label("user", self._world.user_ids)),
            currency=_quoted(label("currency", v.CURRENCIES)),
            total=number("total"),
            at=number("at"),
        )
        return entries(self._state.frame(), _order_id(), pl.lit("state"), last("at", json))

    def _ordered(self) -> pl.DataFrame:
        frame = self._lines.frame()
        if frame.is_empty():
            return pl.DataFrame(schema=ENTRY)
        categories = [v.CATEGORIES.values[c] for c in self._world.product_category.tolist()]
        lines = [
            pl.when(pl.col("lines") > i).then(
                _object(
                    product_id=_quoted(label(f"p{i}", self._world.product_ids)),
                    category=_quoted(label(f"p{i}", categories)),
                    quantity=number(f"q{i}"),
                    unit_price=number(f"c{i}"),
                )
            )
            for i in range(MAX_LINES)
        ]
        joined = pl.concat_str(lines, separator=",", ignore_nulls=True)
        json = pl.concat_str(pl.lit("["), joined, pl.lit("]"))
        return entries(frame, _order_id(), pl.lit("lines"), last("at", json))

    def _payments(self) -> pl.DataFrame:
        frame = self._payment.frame().with_columns(
            id=pl.col("order").cast(pl.Int64) * 10 + pl.col("attempt")
        )
        json = _object(
            status=_quoted(label("type", v.PAYMENT_TYPES)),
            payment_id=_quoted(pl.concat_str(pl.lit("pay"), number("id", 11))),
            method=_quoted(label("method", v.METHODS)),
            amount=number("amount"),
            at=number("at"),
        )
        return entries(frame, _order_id(), pl.lit("payment"), last("at", json))

    def _cards(self) -> pl.DataFrame:
        categories = [v.CATEGORIES.values[c] for c in self._world.product_category.tolist()]
        name = pl.when(pl.col("type") == 0).then(self._named()).otherwise(pl.lit("null"))
        json = _object(
            name=name,
            category=_quoted(label("product", categories)),
            price=number("price"),
            currency=_quoted(label("currency", v.CURRENCIES)),
            at=number("at"),
        )
        return entries(self._card.frame(), self._product_id(), pl.lit("card"), last("at", json))

    def _names(self) -> pl.DataFrame:
        value = last("at", self._named(quoted=False))
        return entries(self._name.frame(), self._product_id(), pl.lit("name"), value)

    def _product_id(self) -> pl.Expr:
        return label("product", self._world.product_ids)

    def _named(self, quoted: bool = True) -> pl.Expr:
        """Products' names; ``quoted``: as JSON, where any character may need an escape."""
        names = self._world.product_names.values
        return label("product", [orjson.dumps(n).decode() for n in names] if quoted else names)


def _put(into: Latest, facts: Facts, fields: list[str]) -> None:
    columns = {field: facts.rows[field] for field in fields}
    into.add(at=facts.rows["at"], seq=facts.seq, **columns)


def _order_id() -> pl.Expr:
    return pl.concat_str(pl.lit("o"), number("order", 10))


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def _object(**fields: pl.Expr) -> pl.Expr:
    """A JSON object of texts that are JSON already, in this order, without white space."""
    parts: list[pl.Expr] = []
    for name, value in fields.items():
        parts += [pl.lit(f'{"," if parts else "{"}"{name}":'), value]
    return pl.concat_str(*parts, pl.lit("}"))
