"""Says which records a refused INSERT is about, by asking the server again about parts of it.

The questions write nothing: they insert into the table function ``null``, which reads and converts
the data to the types of the table's columns, and keeps none of it. On chDB 26.9 it refused exactly
the rows that the table refused, with the same codes; constraints and views it does not know.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from headrace.errors import Terminal
from headrace.frame import OFFSET
from headrace.sink import BlockRange
from sinks.clickhouse.ddl import Column, define
from sinks.clickhouse.errors import FAILURES, classify, code_of
from sinks.clickhouse.insert import FORMAT, arrow_stream, insert_settings
from sinks.clickhouse.literals import text

#: Bounds of a search. Finding one row of n takes about 1.5 log2(n) requests.
REQUESTS = 64
SECONDS = 20.0
#: How many offsets, and how much of a value, the text shows.
OFFSETS = 5
CHARACTERS = 80

_APPLY = "'headrace plan' shows how table and schema differ, 'headrace apply' brings them together"
_GRANT = "check user and password in the ClickHouse URL, and the user's grants"
_DIVERT = "have the agent raise on such a record (it then goes to the dead letters)"
#: Refusals that no row is at fault for: each would be refused alone. Code: the likely fix.
ABOUT_ALL = {
    8: _APPLY,  # THERE_IS_NO_COLUMN
    10: _APPLY,  # NOT_FOUND_COLUMN_IN_BLOCK
    16: _APPLY,  # NO_SUCH_COLUMN_IN_TABLE
    47: _APPLY,  # UNKNOWN_IDENTIFIER
    60: _APPLY,  # UNKNOWN_TABLE
    81: _APPLY,  # UNKNOWN_DATABASE
    218: _APPLY,  # TABLE_IS_DROPPED
    62: "report it: the server did not understand the INSERT",  # SYNTAX_ERROR
    115: "use a server that knows the setting",  # UNKNOWN_SETTING
    192: _GRANT,  # UNKNOWN_USER
    193: _GRANT,  # WRONG_PASSWORD
    194: _GRANT,  # REQUIRED_PASSWORD
    195: _GRANT,  # IP_ADDRESS_NOT_ALLOWED
    291: _GRANT,  # DATABASE_ACCESS_DENIED
    497: _GRANT,  # ACCESS_DENIED
    516: _GRANT,  # AUTHENTICATION_FAILED
}
#: Refusals of a column's type: whatever the values, there is no conversion.
ABOUT_TYPES = frozenset({43, 53})  # ILLEGAL_TYPE_OF_ARGUMENT, TYPE_MISMATCH


@dataclass(frozen=True, slots=True)
class Refused:
    """An INSERT and the exception code it was refused with; ``private`` columns aren't quoted."""

    database: str
    table: str
    block: BlockRange
    frame: pl.DataFrame
    code: int | None
    private: frozenset[str] = frozenset()


async def explain(connect: Callable[[], Awaitable[Any]], refused: Refused) -> str:
    """Which records a refusal is about, and the likely fix: for an error's text, on one line.

    Writes nothing and stays within ``REQUESTS`` and ``SECONDS`` (and the answer to the last
    request). Raises nothing.
    """
    if refused.code is None:  # the client's own refusal: the server wasn't asked
        return _all(refused)
    if refused.code in ABOUT_ALL:
        return f"{_all(refused)}; fix: {ABOUT_ALL[refused.code]}"
    try:
        return await _explain(await connect(), refused)
    except Exception as error:  # no failure of the search may hide the refusal
        return f"{_all(refused)} (which rows are to blame could not be asked: {error!r})"


async def _explain(client: Any, refused: Refused) -> str:
    types = await _types(client, refused)
    if types is None:
        return f"{_all(refused)}; fix: {_APPLY}"
    trial = Trial(client, refused.frame, types)
    whole = await trial.refusal(0, refused.frame.height)
    if whole is None:
        return (
            f"{_all(refused)}; a dry run into the table's types took them all, so it is a view "
            f"that the table feeds, a constraint, or the server's state; fix: what its text names"
        )
    if code_of(whole) != refused.code:
        return f"{_all(refused)} (a dry run failed otherwise: {whole})"
    if refused.code in ABOUT_TYPES:
        column = await _column(trial, 0)
        return f"{_all(refused)}, of their type: {_typed(trial, column)}; fix: {_APPLY}"
    return await _some(trial, refused)


async def _types(client: Any, refused: Refused) -> dict[str, str] | None:
    """Types of the frame's columns in the table; None when one of them is not there."""
    answer = await client.query(
        "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String}",
        parameters={"d": refused.database, "t": refused.table},
    )
    held = dict(answer.result_rows)
    columns = refused.frame.columns
    return {name: held[name] for name in columns} if held.keys() >= set(columns) else None


class Trial:
    """Dry runs of parts of a frame, counted and timed."""

    def __init__(self, client: Any, frame: pl.DataFrame, types: Mapping[str, str]) -> None:
        self.frame = frame
        self.types = types
        self._client = client
        self._settings = insert_settings(None, client.server_settings)
        self._asked = 0
        self._until = time.monotonic() + SECONDS

    def exhausted(self, reserve: int = 0) -> bool:
        """Whether another question, with ``reserve`` more to come, would break the bounds."""
        return self._asked + reserve >= REQUESTS or time.monotonic() >= self._until

    async def refusal(
        self, low: int, high: int, columns: Sequence[str] | None = None
    ) -> Exception | None:
        """What the server refuses rows ``[low, high)`` with, None when it takes them.

        Raises one of ``FAILURES`` when that can't be told now.
        """
        self._asked += 1
        part = self.frame[low:high] if columns is None else self.frame[low:high].select(columns)
        structure = ", ".join(define(Column(name, self.types[name])) for name in part.columns)
        data = await asyncio.to_thread(arrow_stream, part)
        try:
            await self._client.raw_insert(
                f"FUNCTION null({text(structure)})",
                column_names=part.columns,
                insert_block=data,
                fmt=FORMAT,
                settings=self._settings,
            )
        except FAILURES as error:
            if isinstance(classify(error, ""), Terminal):
                return error
            raise
        return None


async def _some(trial: Trial, refused: Refused) -> str:
    """For a refusal of values: the rows, and the first one's column and value."""
    rows, complete = await _rows(trial)
    if not rows:
        return f"{_all(refused)}, at least one of them (the search took too long)"
    column = await _column(trial, rows[0])
    offsets = trial.frame[OFFSET].gather(rows).unique(maintain_order=True).to_list()
    named = ", ".join(f"{refused.block.partition}@{offset}" for offset in offsets[:OFFSETS])
    more = f" and {len(offsets) - OFFSETS} more" if len(offsets) > OFFSETS else ""
    count = f"{'' if complete else 'at least '}{len(rows)} of {trial.frame.height} rows"
    about = "" if column is None else f"; the first has {_shown(trial, column, rows[0], refused)}"
    return f"refused: {count}, of partition@offset {named}{more}{about}; fix: {_fix(column)}"


async def _rows(trial: Trial) -> tuple[list[int], bool]:
    """Rows that are refused alone, in order, and whether those are all; the whole frame must be.

    By halving; a half is not asked about when the other one leaves no doubt.
    """
    reserve = _halvings(trial.frame.width)
    found: list[int] = []
    open_ = [(0, trial.frame.height, True)]  # what is left to look at, and whether it is refused
    while open_:
        low, high, known = open_.pop()
        if not known:
            if trial.exhausted(reserve):
                return found, False
            if await trial.refusal(low, high) is None:
                continue
        if high - low == 1:
            found.append(low)
            continue
        if trial.exhausted(reserve):
            return found, False
        middle = (low + high) // 2
        if await trial.refusal(low, middle) is None:
            open_.append((middle, high, True))
        else:
            open_ += [(middle, high, False), (low, middle, True)]
    return found, True


async def _column(trial: Trial, row: int) -> str | None:
    """The column for which a row is refused (the first of several); None when out of bounds."""
    columns = trial.frame.columns
    while len(columns) > 1:
        if trial.exhausted():
            return None
        left = columns[: len(columns) // 2]
        taken = await trial.refusal(row, row + 1, left) is None
        columns = columns[len(left) :] if taken else left
    return columns[0]


def _halvings(n: int) -> int:
    return math.ceil(math.log2(n)) if n > 1 else 0


def _all(refused: Refused) -> str:
    offsets: list[int] = refused.frame[OFFSET].to_list()
    partition = refused.block.partition
    return (
        f"concerned: all {len(offsets)} rows, of partition@offset "
        f"{partition}@{min(offsets)} to {partition}@{max(offsets)}"
    )


def _typed(trial: Trial, column: str | None) -> str:
    if column is None:
        return "the search for the column took too long"
    given = trial.frame.schema[column]
    return f"column {column!r} is {trial.types[column]}, the agent gave {given}"


def _shown(trial: Trial, column: str, row: int, refused: Refused) -> str:
    hidden = column in refused.private
    value = "<private>" if hidden else _value(trial.frame[column].gather([row]))
    cut = value if len(value) <= CHARACTERS else value[:CHARACTERS] + "…"
    given = trial.frame.schema[column]
    return f"{cut} ({given}) in column {column!r}, which is {trial.types[column]}"


def _value(held: pl.Series) -> str:
    try:
        return repr(held.to_list()[0])
    except (OverflowError, ValueError):  # a date that Python does not have
        return repr(held.to_physical().to_list()[0])


def _fix(column: str | None) -> str:
    where = "the column" if column is None else f"column {column!r}"
    return f"{_DIVERT}, or give {where} a type that holds it"
