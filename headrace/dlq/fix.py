"""Mending a record before it is sent back: by an expression, or by a function of a script."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import polars.selectors as cs

from headrace.block import Block
from headrace.dlq.letter import Letter
from headrace.errors import ConfigError, Terminal
from headrace.schema import Codec, EncodeError, Encoder, Registry

Headers = Mapping[str, bytes]


class LeaveIt(Exception):
    """The record is to stay where it is; the text says why. ``meant``: the script wants it so."""

    def __init__(self, why: str, meant: bool = False) -> None:
        super().__init__(why)
        self.meant = meant


class Fix(Protocol):
    """Mends one record."""

    def __call__(self, letter: Letter, value: bytes, headers: Headers) -> bytes:
        """The value to send instead; raise LeaveIt if there is none."""


class Records:
    """Values of one topic as columns and back."""

    def __init__(self, registry: Registry, schema_name: str) -> None:
        self.codec = Codec(registry, schema_name)
        self.encoder = Encoder(registry, schema_name)

    def frame(self, letter: Letter, value: bytes) -> pl.DataFrame:
        """One row of the reader schema's columns; none if the value can't be decoded."""
        partition, offset = letter.origin
        at, zero = np.array([offset], np.int64), np.zeros(1, np.int64)
        block = Block(letter.topic, partition, offset, offset, [value], at, zero, [None])
        return self.codec.decode(block).df

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record in the schema's latest version; raise LeaveIt if it does not fit."""
        try:
            return self.encoder.encode(record)
        except EncodeError as error:
            raise LeaveIt(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Assignment:
    column: str
    expression: pl.Expr


class Expression:
    """``amount = abs(amount); currency = 'EUR'``: SQL expressions of Polars over the columns.

    One record at a time, so that none sees another; assignments in order, each seeing the ones
    before it. Enums are text to the expressions. A result is cast to its column's type; one that
    does not fit leaves the record where it is.
    """

    def __init__(self, records: Records, text: str) -> None:
        """Raises ConfigError for what can't be parsed, and for unknown columns."""
        self._records = records
        schema = records.codec.schema
        self._types = {column.name: column.dtype for column in schema.columns}
        self._assignments = [self._parse(part) for part in _split(text) if part.strip()]
        if not self._assignments:
            raise ConfigError(f"--fix {text!r}: write column = expression; column = expression")
        empty = pl.DataFrame(schema=self._types)
        try:
            self._assign(empty)
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"--fix {text!r}: {_first_line(error)}") from error

    def __call__(self, letter: Letter, value: bytes, headers: Headers) -> bytes:
        df = self._records.frame(letter, value)
        if not df.height:
            raise LeaveIt("can't be decoded, so --fix has no columns; use --script")
        try:
            row = self._assign(df).row(0, named=True)
        except pl.exceptions.PolarsError as error:
            raise LeaveIt(f"--fix: {_first_line(error)}") from None
        return self._records.encode(self._records.encoder.to_json(row))

    def _parse(self, part: str) -> _Assignment:
        name, equals, source = (text.strip() for text in part.partition("="))
        if not equals:
            raise ConfigError(f"--fix: {name!r} is no assignment: write column = expression")
        if name not in self._types:
            raise ConfigError(
                f"--fix: {self._records.codec.schema.title} has no field {name!r}; its fields are "
                f"{', '.join(self._types)}"
            )
        try:
            return _Assignment(name, pl.sql_expr(source))
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"--fix: {part.strip()!r}: {_first_line(error)}") from error

    def _assign(self, df: pl.DataFrame) -> pl.DataFrame:
        df = df.with_columns(cs.enum().cast(pl.String))
        for assignment in self._assignments:
            name = assignment.column
            dtype = self._types[name]
            # To the column's type and, for an enum, back to text for the next expression.
            value = assignment.expression.cast(dtype)
            if isinstance(dtype, pl.Enum):
                value = value.cast(pl.String)
            df = df.with_columns(value.alias(name))
        return df


class Script:
    """A Python file with ``def fix(value, record, headers)``, run in this process.

    ``value`` is the original bytes, ``record`` its fields as JSON has them (None if it can't be
    decoded), ``headers`` all headers by name. It returns the bytes to send, or a record to encode
    in the schema's latest version, or None to leave the letter where it is.
    """

    def __init__(self, records: Records, path: Path) -> None:
        """Runs the file; raises ConfigError if that fails or it has no function ``fix``."""
        self._records = records
        self._path = path
        try:
            names = runpy.run_path(str(path), run_name="headrace_fix")
        except Exception as error:
            raise ConfigError(f"--script {str(path)!r}: {type(error).__name__}: {error}") from error
        function = names.get("fix")
        if not callable(function):
            raise ConfigError(
                f"--script {str(path)!r}: has no function fix(value, record, headers)"
            )
        self._fix: Callable[[bytes, dict[str, Any] | None, dict[str, bytes]], Any] = function

    def __call__(self, letter: Letter, value: bytes, headers: Headers) -> bytes:
        df = self._records.frame(letter, value)
        record = self._records.encoder.to_json(df.row(0, named=True)) if df.height else None
        try:
            fixed = self._fix(value, record, dict(headers))
        except Exception as error:
            raise Terminal(
                f"--script {str(self._path)!r}: for the record of {letter.topic} at "
                f"{letter.origin} fix raised {type(error).__name__}: {error}"
            ) from error
        if fixed is None:
            raise LeaveIt("the script returned None", meant=True)
        if isinstance(fixed, bytes):
            return fixed
        if isinstance(fixed, dict):
            return self._records.encode(fixed)
        raise Terminal(
            f"--script {str(self._path)!r}: for the record of {letter.topic} at {letter.origin} "
            f"fix returned {type(fixed).__name__}; expected bytes, a dict or None"
        )


def _split(text: str) -> list[str]:
    """Cut at semicolons outside of quotes."""
    parts, quote = [""], ""
    for character in text:
        if character == ";" and not quote:
            parts.append("")
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        parts[-1] += character
    return parts


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
