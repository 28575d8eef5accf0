"""A declaration made ready: its expressions typed, for each source and over all of them.

All that does not fit is noted, so that one check tells everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import polars as pl

from headrace.declared import windows
from headrace.declared.convert import Unfit, as_float, as_text, literal
from headrace.declared.expressions import compile_text
from headrace.declared.kinds import KINDS, given, why
from headrace.declared.leaves import Fields
from headrace.declared.logic import comparison
from headrace.declared.shape import Shape
from headrace.declared.value import Type, Value
from headrace.declared.windows import Begins
from headrace.rules.wrong import Wrong
from headrace.topology.declared import Aggregate, Declared, Source

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Something wrong at a path below the declaration."""

    at: Path
    value: Any
    wrong: str
    fix: str


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """What a source gives to a field: ``value`` (None: its rows), where ``where`` is true.

    ``by`` is whose weight a decayed sum adds; ``parts`` are of an object; ``above`` says of each
    bound of a histogram whether the value lies above it. ``real`` are values that were doubles: NaN
    and infinities among them are left out.
    """

    value: Value | None
    where: Value | None = None
    by: Value | None = None
    parts: Mapping[str, Value] = field(default_factory=dict)
    above: tuple[Value, ...] = ()
    real: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One source's expressions. ``number`` tells it from the others, in declared order."""

    topic: str
    number: int
    each: str | None
    where: Value | None
    time: Value
    keys: Mapping[str, Value]
    fields: Mapping[str, Fed]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A declaration with its feeds by topic, and the types of its keys and fields' values.

    A type is nullable when a row may have no value for the field at all.
    """

    name: str
    declared: Declared
    begins: Begins | None
    feeds: Mapping[str, Feed]
    keys: Mapping[str, Type]
    values: Mapping[str, Type]


def plan(name: str, declared: Declared, shapes: Mapping[str, Shape]) -> tuple[Plan, list[Note]]:
    """The plan for the topics whose shapes are given, and all that is wrong with it."""
    planner = _Planner(declared)
    feeds = {
        topic: planner.feed(number, topic, source, shapes[topic])
        for number, (topic, source) in enumerate(declared.from_.items())
        if topic in shapes
    }
    planner.shape()
    made = {topic: feed for topic, feed in feeds.items() if feed is not None}
    keys = {key: planner.key_type(key, made) for key in declared.key}
    values = {field: planner.value_type(field, made) for field in declared.fields}
    begins = None if declared.window is None else Begins(declared.window)
    return Plan(name, declared, begins, made, keys, values), planner.notes


def fed_by(declared: Declared, field: str) -> tuple[str, ...]:
    """The topics that feed a field."""
    named = declared.fields[field].from_
    return tuple(t for t in declared.from_ if named is None or t in named)


class _Planner:
    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self.notes: list[Note] = []

    def shape(self) -> None:
        """What is wrong whatever the schemas say."""
        declared = self._declared
        if declared.window is not None:
            for wrong in windows.wrong(declared.window):
                self._wrong(("window",), wrong)
            names = {*declared.key, *declared.fields}
            if declared.window.name in names:
                self._note(
                    ("window", "name"), declared.window.name, "is a key's or field's name",
                    "rename it",
                )  # fmt: skip
        for i, key in enumerate(declared.key):
            if key in declared.fields or key in declared.key[:i]:
                self._note(("key", i), key, "stands twice among keys and fields", "rename one")
        for name, one in declared.fields.items():
            self._options(name, one)

    def _options(self, name: str, one: Aggregate) -> None:
        at: Path = ("fields", name)
        if len(one.kinds) != 1:
            shown = ", ".join(one.kinds) or None
            self._note(at, shown, "a field has one aggregate", f"give one of {', '.join(KINDS)}")
            return
        takes, has = KINDS[one.kind], given(one)
        for option in has:
            if option not in (*takes.needs, *takes.may):
                self._note((*at, option), getattr(one, option), f"{one.kind} has no {option}", "leave it out")  # noqa: E501  # fmt: skip
        for option in takes.needs:
            if option not in has:
                self._note(at, one.kind, f"{one.kind} needs {option}", f"add {option}")
        if one.bounds is not None and (
            not one.bounds or list(one.bounds) != sorted(set(one.bounds))
        ):
            self._note((*at, "bounds"), list(one.bounds), "are not ascending", "list them in order")
        if one.levels is not None and not one.levels:
            self._note((*at, "levels"), [], "is empty", "name levels as 0.5 and 0.99")
        for i, topic in enumerate(one.from_ or ()):
            if topic not in self._declared.from_:
                known = ", ".join(self._declared.from_)
                self._note((*at, "from", i), topic, "is no source of this", f"there are: {known}")

    def feed(self, number: int, topic: str, source: Source, shape: Shape) -> Feed | None:
        """One source, or None when nothing can be said of it."""
        at: Path = ("from", topic)
        try:
            fields = Fields(shape, source.each)
        except Wrong as wrong:
            self._wrong(at, wrong)
            return None
        where = self._condition((*at, "where"), source.where, fields)
        if where is not None:
            fields.known = where.tests
        made = {name: self._value((*at, "map", name), text, fields) for name, text in source.map.items()}  # noqa: E501  # fmt: skip
        fields.map = {name: value for name, value in made.items() if value is not None}
        time = self._time(topic, fields)
        keys = {key: self._key(topic, i, key, fields) for i, key in enumerate(self._declared.key)}
        fed = {
            name: self._fed(topic, name, one, fields)
            for name, one in self._declared.fields.items()
            if topic in fed_by(self._declared, name) and len(one.kinds) == 1
        }
        if time is None or None in keys.values() or None in fed.values():
            return None
        known = {key: value for key, value in keys.items() if value is not None}
        given_ = {name: one for name, one in fed.items() if one is not None}
        return Feed(topic, number, source.each, where, time, known, given_)

    def _time(self, topic: str, fields: Fields) -> Value | None:
        name = self._declared.time
        found = fields.field(name)
        if found is None or found.type.kind != "time" or found.type.nullable:
            what = "there is no such field" if found is None else f"is {found.type}"
            self._note(("time",), name, f"{topic}: {what}", "name a timestamp that is always there")
            return None
        return found

    def _key(self, topic: str, i: int, key: str, fields: Fields) -> Value | None:
        found = fields.field(key)
        at: Path = ("key", i)
        if found is None:
            self._note(
                at, key, f"{topic} has no such field",
                f"map it in from.\"{topic}\"; there are: {', '.join(fields.names)}",
            )  # fmt: skip
            return None
        if found.type.kind not in ("text", "enum", "int", "bool"):
            self._note(at, key, f"{topic}: is {found.type}", "key by text, enums and whole numbers")
            return None
        if found.type.nullable:
            self._note(
                at, key, f"{topic}: may be null", f"add where: {key} IS NOT NULL, or COALESCE it"
            )
            return None
        if found.type.kind != "enum":
            return found
        return replace(as_text(found), type=replace(found.type, kind="text"), sql=found.sql)

    def _fed(  # noqa: PLR0911 - a return for each thing that may be wrong
        self, topic: str, name: str, one: Aggregate, fields: Fields
    ) -> Fed | None:
        at: Path = ("fields", name)
        where = self._condition((*at, "where"), one.where, fields)
        inner = fields
        if where is not None:
            inner = fields.knowing(where.tests)
        given_ = getattr(one, one.kind)
        if given_ is True:
            return Fed(None, where)
        if isinstance(given_, dict):
            parts = {n: self._value((*at, one.kind, n), t, inner) for n, t in given_.items()}
            known = {n: v for n, v in parts.items() if v is not None}
            return Fed(None, where, parts=known) if len(known) == len(parts) else None
        value = self._value((*at, one.kind), given_, inner)
        if value is None:
            return None
        takes = KINDS[one.kind].values
        if value.type.kind not in takes:
            self._note((*at, one.kind), given_, f"{topic}: is {value.type}", why(one.kind, value.type.kind))  # noqa: E501  # fmt: skip
            return None
        by = None if one.by is None else self._value((*at, "by"), one.by, inner)
        if by is None and one.by is not None:
            return None
        try:
            return self._made(one, Fed(value, where, None if by is None else as_text(by)))
        except Unfit as error:
            self._note((*at, one.kind), given_, f"{topic}: {error}", error.fix)
            return None

    def _made(self, one: Aggregate, fed: Fed) -> Fed:
        """The value in the form in which it is aggregated."""
        value = fed.value
        assert value is not None
        if value.type.kind == "float" and one.kind != "count":
            fed = replace(fed, real=True)
        if one.kind in {"quantiles", "decayed"}:
            return replace(fed, value=as_float(value))
        if one.kind in ("distinct", "top", "newest") or value.type.kind == "enum":
            return replace(fed, value=as_text(value))
        if one.kind == "histogram":
            above = comparison("Gt")
            bounds = [_bound(bound) for bound in one.bounds or ()]
            return replace(fed, above=tuple(above([value, bound]) for bound in bounds))
        return fed

    def _condition(self, at: Path, text: str | None, fields: Fields) -> Value | None:
        value = None if text is None else self._value(at, text, fields)
        if value is not None and value.type.kind != "bool":
            self._note(at, text, f"gives {value.type}, not true or false", "compare it")
            return None
        return value

    def _value(self, at: Path, text: str, fields: Fields) -> Value | None:
        try:
            return compile_text(text, fields)
        except Wrong as wrong:
            self._note(at, wrong.value, wrong.wrong, wrong.fix)
            return None

    def key_type(self, key: str, feeds: Mapping[str, Feed]) -> Type:
        """The type of a key, the same from all sources."""
        types = {topic: feed.keys[key].type for topic, feed in feeds.items()}
        kinds = {type_.kind for type_ in types.values()}
        if len(kinds) > 1:
            shown = ", ".join(f"{topic}: {type_}" for topic, type_ in types.items())
            at = self._declared.key.index(key)
            self._note(("key", at), key, f"is not of one type ({shown})", "CAST it by map")
        return next(iter(types.values()), Type("text"))

    def value_type(self, name: str, feeds: Mapping[str, Feed]) -> Type:
        """The type of a field's values; nullable when a row may have none."""
        fed = {t: feed.fields[name] for t, feed in feeds.items() if name in feed.fields}
        values = {t: one.value.type for t, one in fed.items() if one.value is not None}
        forms = {(type_.kind, type_.scale, type_.unit) for type_ in values.values()}
        one = self._declared.fields[name]
        if len(forms) > 1 and one.kind != "count":
            shown = ", ".join(f"{topic}: {type_}" for topic, type_ in values.items())
            at: Path = ("fields", name, one.kind)
            self._note(at, getattr(one, one.kind), f"is not of one type ({shown})", "CAST it")
        absent = len(fed) < len(feeds) or any(f.where is not None for f in fed.values())
        held = next(iter(values.values()), Type("int"))
        digits = max((type_.digits for type_ in values.values()), default=0)
        return replace(
            held, digits=digits, nullable=absent or any(t.nullable for t in values.values())
        )

    def _note(self, at: Path, value: Any, wrong: str, fix: str) -> None:
        self.notes.append(Note(at, value, wrong, fix))

    def _wrong(self, at: Path, wrong: Wrong) -> None:
        part = () if wrong.part is None else (wrong.part,)
        self._note((*at, *part), wrong.value, wrong.wrong, wrong.fix)


def _bound(bound: int | float) -> Value:
    """A bound as the literal that stands in the declaration."""
    if isinstance(bound, int):
        return literal(bound, pl.Int64())
    return literal(Decimal(repr(bound)), pl.Decimal(38, 10))
