"""Two systems' answers to one question, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from headrace.errors import ConfigError

Key = tuple[Any, ...]
#: What stands for a row, or a value, that one side does not have.
NOTHING: Final = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same; ``column`` is empty where a whole row is missing."""

    key: tuple[str, ...]
    column: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Column:
    """The sums over all rows of a column of numbers."""

    name: str
    old: Decimal
    new: Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both have. ``differing`` of ``rows`` keys do; ``examples`` are the first by key."""

    rows: int
    old_rows: int
    new_rows: int
    differing: int
    sums: Sequence[Column]
    examples: Sequence[Difference]

    @property
    def equal(self) -> bool:
        """Whether they agree in everything."""
        return self.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: numbers exactly, as text."""
        told = asdict(self) | {"equal": self.equal}
        told["sums"] = [{"name": c.name, "old": str(c.old), "new": str(c.new)} for c in self.sums]
        told["examples"] = [
            asdict(e) | {"old": shown(e.old), "new": shown(e.new)} for e in self.examples
        ]
        return told


class Rows:
    """The rows of one side by key."""

    def __init__(self, side: str, key: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Raises ConfigError where a key column is missing or two rows have one key."""
        self.side = side
        self.columns: Sequence[str] = ()
        self.by_key: dict[Key, Mapping[str, Any]] = {}
        for row in rows:
            missing = [name for name in key if name not in row]
            if missing:
                raise ConfigError(
                    f"{side}: no column {missing[0]!r} for the key; there are {', '.join(row)}"
                )
            self.columns = [name for name in row if name not in key]
            place = tuple(plain(row[name]) for name in key)
            if place in self.by_key:
                raise ConfigError(
                    f"{side}: two rows have the key {', '.join(map(str, place))}: group by it, or "
                    f"name more columns in 'key'"
                )
            self.by_key[place] = row


def compare(old: Rows, new: Rows, examples: int = 10) -> Comparison:
    """Compare all rows of two sides; raises ConfigError when their columns differ."""
    if old.by_key and new.by_key and set(old.columns) != set(new.columns):
        raise ConfigError(
            f"{old.side} has the columns {', '.join(old.columns)}, {new.side} has "
            f"{', '.join(new.columns)}: give them the same names with AS"
        )
    columns = old.columns or new.columns
    found: list[Difference] = []
    differing = 0
    keys = sorted({*old.by_key, *new.by_key}, key=lambda key: tuple(map(str, key)))
    for key in keys:
        ours = _differences(key, old.by_key.get(key), new.by_key.get(key), columns)
        differing += bool(ours)
        found += ours[: max(0, examples - len(found))]
    sums = [
        Column(name, _sum(old, name), _sum(new, name))
        for name in columns
        if any(isinstance(plain(row[name]), Decimal) for row in old.by_key.values())
    ]
    return Comparison(len(keys), len(old.by_key), len(new.by_key), differing, sums, found)


def _differences(
    key: Key,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    columns: Sequence[str],
) -> list[Difference]:
    told = tuple(map(str, key))
    if old is None or new is None:
        return [Difference(told, "", old and dict(old), new and dict(new))]
    return [
        Difference(told, name, old[name], new[name])
        for name in columns
        if plain(old[name]) != _like(old[name], new[name])
    ]


def plain(value: Any) -> Any:
    """A value so that equal ones are equal, whichever store they come from.

    Numbers of any kind are Decimal (a float the one that it is written as), times are in UTC.
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value if isinstance(value, date | list | dict) else str(value)


def _like(old: Any, new: Any) -> Any:
    """The new value; as a number where it is text, as in Redis, and the old one is a number."""
    value = plain(new)
    if isinstance(value, str) and isinstance(plain(old), Decimal):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value


def _sum(rows: Rows, name: str) -> Decimal:
    values = (_like(Decimal(0), row.get(name)) for row in rows.by_key.values())
    return sum((value for value in values if isinstance(value, Decimal)), Decimal(0))


def shown(value: Any) -> Any:
    """A value as a report has it: text, or nothing."""
    if isinstance(value, Mapping):
        return {name: shown(item) for name, item in value.items()}
    return NOTHING if value is None else str(value)
