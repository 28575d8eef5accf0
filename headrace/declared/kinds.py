"""The aggregates: what values each takes, and what else is said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace.topology.declared import Aggregate

#: What is said beside an aggregate, and nowhere else.
OPTIONS: Final = ("exact", "levels", "accuracy", "n", "by", "half_life_hours", "landmark", "bounds")
NUMBERS: Final = ("int", "decimal", "float")
TEXTS: Final = ("text", "enum", "int")


@dataclass(frozen=True, slots=True)
class Takes:
    """``values``: kinds of expressions; ``needs`` and ``may``: options."""

    values: tuple[str, ...]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


KINDS: Final[Mapping[str, Takes]] = {
    "count": Takes((*NUMBERS, "bool", "text", "enum", "time")),
    "sum": Takes(("int", "decimal")),
    "min": Takes(("int", "decimal", "time", "text")),
    "max": Takes(("int", "decimal", "time", "text")),
    "first": Takes(("int", "decimal", "time", "text", "enum", "bool")),
    "last": Takes(("int", "decimal", "time", "text", "enum", "bool")),
    "distinct": Takes(TEXTS, may=("exact",)),
    "quantiles": Takes(NUMBERS, needs=("levels",), may=("accuracy",)),
    "top": Takes(TEXTS, needs=("n",)),
    "newest": Takes(TEXTS, needs=("n",)),
    "decayed": Takes(("int",), needs=("by", "half_life_hours", "landmark")),
    "histogram": Takes(NUMBERS, needs=("bounds",)),
}
#: Kept in Redis as a sorted set of its own.
SORTED: Final = ("distinct", "top", "newest", "decayed")
#: Aggregates of which rings keep the last slots.
RINGED: Final = ("count", "sum")
#: Why an expression's type may not do, where there is more to say.
_WHY: Final = {
    ("sum", "float"): "sums of doubles depend on their order",
    ("decayed", "decimal"): "only sums of whole weights are exact",
    ("decayed", "float"): "only sums of whole weights are exact",
}


def why(kind: str, value: str) -> str:
    """What to say of a value that an aggregate does not take."""
    return _WHY.get((kind, value), f"{kind} takes {', '.join(KINDS[kind].values)}")


def given(field: Aggregate) -> list[str]:
    """The options that a field has."""
    return [option for option in OPTIONS if getattr(field, option) is not None]
