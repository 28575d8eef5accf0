"""Decoding with rules: what a topic's rules say of each record, before anyone else sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from headrace.errors import ConfigError, Terminal
from headrace.frame import MARKS, OFFSET, PARTITION, Bad, Decode, Frame
from headrace.private.guard import Guard
from headrace.rules.compiled import Compiled, compile_rule
from headrace.rules.rule import Rule
from headrace.rules.wrong import Wrong
from headrace.schema import AvroSchema, Codec, Registry
from headrace.schema.framing import schema_id
from headrace.topology.privacy import is_private

STEP = "rule"
#: Characters of a value that a reason shows.
SHOWN = 60
_NO_MARKS = pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first().alias(MARKS)


def decoder(
    registry: Registry, schema_name: str, rules: Mapping[str, Rule], guard: Guard | None = None
) -> Decode:
    """Decodes a topic's blocks, and applies its guard of private fields and its rules.

    Raises ConfigError when a rule does not fit the schema.
    """
    codec = Codec(registry, schema_name)
    decode = codec.decode if guard is None else _then(codec.decode, guard.apply)
    return _with(decode, codec.schema, compiled(codec.schema, rules))


def id_decoder(
    registry: Registry,
    schema_name: str,
    key: str,
    rules: Mapping[str, Rule],
    guard: Guard | None = None,
) -> Decode:
    """Decodes nothing but the ids of the records that ``decoder`` lets through."""
    return narrow_decoder(registry, schema_name, {key}, rules, guard)


def narrow_decoder(
    registry: Registry,
    schema_name: str,
    columns: Collection[str],
    rules: Mapping[str, Rule],
    guard: Guard | None = None,
) -> Decode:
    """Decodes nothing but these columns of the records that ``decoder`` lets through.

    For that it needs the fields of the guard and of those rules that set records aside, too; with
    ``_marks`` among the columns, of those that mark. ``bad`` lacks what the guard sets aside.
    """
    schema = registry.latest(schema_name)
    kinds = {"dead_letter", "mark"} if MARKS in columns else {"dead_letter"}
    ready = compiled(schema, {n: rule for n, rule in rules.items() if rule.on_failure in kinds})
    fields = {*columns} - {MARKS, PARTITION, OFFSET}
    fields |= {field for one in ready for field in one.fields}
    if guard is None:
        codec = Codec(registry, schema_name, fields)
        return _with(codec.decode, codec.schema, ready)
    codec = Codec(registry, schema_name, fields | guard.names)
    return _with(_then(codec.decode, guard.passing), codec.schema, ready)


def compiled(schema: AvroSchema, rules: Mapping[str, Rule]) -> list[Compiled]:
    """The rules ready for a schema; raises ConfigError for one that does not fit it."""
    dtypes = {column.name: column.dtype for column in schema}
    try:
        return [compile_rule(name, rule, dtypes) for name, rule in rules.items()]
    except Wrong as error:
        raise ConfigError(f"topology.yaml: a rule does not fit {schema.title}: {error}") from error


def _with(decode: Decode, schema: AvroSchema, rules: Sequence[Compiled]) -> Decode:
    if not rules:
        return decode
    private = {column.name for column in schema if is_private(column.props)}
    return _then(decode, Rules(rules, private).apply)


def _then(decode: Decode, step: Callable[[Frame], Frame]) -> Decode:
    return lambda block: step(decode(block))


class Rules:
    """All rules of one topic. Safe to use from many threads."""

    def __init__(self, rules: Sequence[Compiled], private: Collection[str] = ()) -> None:
        """Values of ``private`` fields are not told in reasons."""
        self._rules = rules
        self._private = frozenset(private)
        self._expressions = [one.fails for one in rules]
        self._marking = [one.name for one in rules if one.rule.on_failure == "mark"]

    def apply(self, frame: Frame) -> Frame:
        """The frame without the records that rules set aside, which come to ``bad``.

        Adds the column ``_marks`` when a rule marks. Each row's verdict depends on that row alone.
        Raises Terminal for a record that fails a rule whose policy is ``stop``.
        """
        verdict = self._verdict(frame.df)
        failed = {one.name: count for one in self._rules if (count := int(verdict[one.name].sum()))}
        df = self._marked(frame.df, verdict, failed) if self._marking else frame.df
        if not failed:
            return replace(frame, df=df)
        policies = {one.rule.on_failure for one in self._rules if one.name in failed}
        if "stop" in policies:
            raise self._stop(frame, verdict)
        if "dead_letter" not in policies:
            return replace(frame, df=df, failed=failed)
        diverting = [o for o in self._rules if o.rule.on_failure == "dead_letter"]
        aside = verdict.select(pl.any_horizontal(one.name for one in diverting)).to_series()
        bad = [*frame.bad, *self._bad(frame, verdict, aside, diverting)]
        bad.sort(key=lambda entry: entry.index)
        return replace(frame, df=df.filter(~aside), bad=bad, failed=failed)

    def _verdict(self, df: pl.DataFrame) -> pl.DataFrame:
        """A column a rule, true in the rows that fail it."""
        try:
            return df.select(self._expressions)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return pl.DataFrame([_found(one.name, one.fails, df) for one in self._rules])

    def _marked(
        self, df: pl.DataFrame, verdict: pl.DataFrame, failed: Mapping[str, int]
    ) -> pl.DataFrame:
        names = [name for name in self._marking if name in failed]
        if not names:
            return df.with_columns(_NO_MARKS)
        marks = pl.concat_list(pl.when(name).then(pl.lit(name)) for name in names)
        return df.with_columns(verdict.select(marks.list.drop_nulls().alias(MARKS)).to_series())

    def _bad(
        self, frame: Frame, verdict: pl.DataFrame, aside: pl.Series, rules: Sequence[Compiled]
    ) -> list[Bad]:
        rows, verdicts = frame.df.filter(aside), verdict.filter(aside)
        index = np.searchsorted(frame.block.offsets, rows[OFFSET].to_numpy())
        reasons: list[list[str]] = [[] for _ in index]
        for one in rules:
            for row in np.flatnonzero(verdicts[one.name].to_numpy()).tolist():
                reasons[row].append(self._reason(one, rows, row))
        return [
            Bad(at, STEP, "; ".join(texts), schema_id(frame.block.values[at]))
            for at, texts in zip(index.tolist(), reasons, strict=True)
        ]

    def _reason(self, one: Compiled, df: pl.DataFrame, row: int) -> str:
        values = ", ".join(f"{name} {self._shown(name, df, row)}" for name in one.fields)
        return f"rule {one.name!r}: {one.rule.text} ({values})"

    def _shown(self, field: str, df: pl.DataFrame, row: int) -> str:
        if field in self._private:
            return "is private"
        if df[field].dtype.is_nested():
            return "is nested"  # a private field may be inside
        value = df[field][row]
        text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
        return text if len(text) <= SHOWN else text[:SHOWN] + "…"

    def _stop(self, frame: Frame, verdict: pl.DataFrame) -> Terminal:
        """The error for the first record that must not pass."""
        stopping = [one for one in self._rules if one.rule.on_failure == "stop"]
        fails = verdict.select(pl.any_horizontal(one.name for one in stopping)).to_series()
        row = int(fails.arg_true()[0])
        reasons = [self._reason(one, frame.df, row) for one in stopping if verdict[one.name][row]]
        block = frame.block
        return Terminal(
            f"{block.topic}[{block.partition}]@{frame.df[OFFSET][row]}: {'; '.join(reasons)}; "
            f"on_failure is stop: nothing of {block} is written. Mend what sends such records, and "
            f"change on_failure to let this one go to the dead letters or to be marked"
        )


def _found(name: str, fails: pl.Expr, df: pl.DataFrame) -> pl.Series:
    """The rows that fail a rule; one for which it can't even be computed does. By halving."""
    try:
        return df.select(fails).to_series()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        if df.height <= 1:
            return pl.Series(name, [True] * df.height, dtype=pl.Boolean)
    half = df.height // 2
    return pl.concat([_found(name, fails, df[:half]), _found(name, fails, df[half:])])
