"""What a view's select reads, from its SQL: which columns are in which of its outputs.

sqlglot parses; names are resolved here as ClickHouse does: an alias of the select wins over a
column of that name, except inside of its own expression, and is known everywhere in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import SqlglotError
from sqlglot.parsers.clickhouse import ClickHouseParser

from headrace.lineage.sources import Derived, Ref, Refs, Source, Stored, Unknown


class Unreadable(ValueError):
    """The parser can't read the select."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What each output is computed from, what decides which rows count, and names of nothing."""

    outputs: Mapping[str, Refs]
    rows: Refs
    unknown: tuple[Unknown, ...]


class _Dialect(ClickHouse):
    """Takes any function for one that may have parameters: ``quantilesDDState(0.5)(x)``."""

    class Parser(ClickHouseParser):
        @classmethod
        def _resolve_clickhouse_agg(cls, name: str) -> tuple[str, Sequence[str]] | None:
            return super()._resolve_clickhouse_agg(name) or (name, ())


@cache
def _parsed(sql: str) -> exp.Query:
    try:
        tree = sqlglot.parse_one(sql, dialect=_Dialect)
    except (SqlglotError, RecursionError) as error:
        raise Unreadable(str(error).splitlines()[0]) from error
    if not isinstance(tree, exp.Query):
        raise Unreadable(f"is a {tree.key}, not a select")
    return tree


def read(sql: str, tables: Mapping[str, Sequence[str]]) -> Reads:
    """``tables``: paths of the columns of each table that is known. Raises Unreadable.

    Names in tables that are not known are not looked for, and not reported.
    """
    return _query(_parsed(sql), {name: Stored(name, paths) for name, paths in tables.items()})


def _query(query: exp.Expr, known: Mapping[str, Source]) -> Reads:
    if isinstance(query, exp.Subquery):
        return _query(query.this, known)
    if isinstance(query, exp.SetOperation):
        left, right = _query(query.this, known), _query(query.expression, known)
        pairs = zip(left.outputs.items(), right.outputs.values(), strict=False)
        return Reads(
            {name: a | b for (name, a), b in pairs},
            left.rows | right.rows,
            left.unknown + right.unknown,
        )
    if not isinstance(query, exp.Select):
        raise Unreadable(f"has a {query.key} where a select is expected")
    return _Select(query, known).reads()


@dataclass(slots=True)
class _Select:
    """Names of one select: its sources, joined arrays and aliases."""

    select: exp.Select
    known: Mapping[str, Source]
    sources: dict[str, Source] = field(default_factory=dict)
    arrays: dict[str, exp.Expr] = field(default_factory=dict)
    aliases: dict[str, exp.Expr] = field(default_factory=dict)
    rows: set[Ref] = field(default_factory=set)
    unknown: dict[Unknown, None] = field(default_factory=dict)
    #: Aliases whose expressions are being resolved: within them the names are columns.
    open: list[str] = field(default_factory=list)

    def reads(self) -> Reads:
        self._with()
        joins = list(self.select.args.get("joins") or ())
        source = self.select.args.get("from_")
        if source is not None:
            self._source(source.this)
        for join in joins:
            if join.args.get("kind") != "ARRAY":
                self._source(join.this)
        for join in joins:
            if join.args.get("kind") == "ARRAY":
                self._array_join(join)
        for one in self.select.expressions:
            if isinstance(one, exp.Alias):
                self.aliases.setdefault(one.alias, one.this)
        outputs: dict[str, Refs] = {}
        for one in self.select.expressions:
            for name, refs in self._output(one):
                outputs[name] = outputs.get(name, frozenset()) | refs
        self._conditions(joins)
        return Reads(outputs, frozenset(self.rows), tuple(self.unknown))

    def _with(self) -> None:
        """``WITH name AS (select)`` is a source, ``WITH expression AS name`` an alias."""
        clause = self.select.args.get("with_")
        for one in clause.expressions if clause is not None else ():
            if isinstance(one.this, exp.Query):
                self.known = {**self.known, one.alias: self._derived(one.this)}
            else:
                self.aliases[one.alias] = one.this

    def _derived(self, query: exp.Expr) -> Derived:
        inner = _query(query, self.known)
        self.unknown.update(dict.fromkeys(inner.unknown))
        return Derived(inner.outputs, inner.rows)

    def _source(self, node: exp.Expr) -> None:
        node = node.this if isinstance(node, exp.Final) else node
        name = node.alias_or_name
        if isinstance(node, exp.Subquery | exp.Query):
            source: Source = self._derived(node)
        else:
            source = self.known.get(node.name, Stored(node.name, None))
        self.rows |= source.rows
        self.sources[name] = source

    def _array_join(self, join: exp.Join) -> None:
        for one in (join.this, *join.expressions):
            inner = one.this if isinstance(one, exp.Alias) else one
            self.rows |= self._refs(inner)
            self.arrays[one.alias_or_name] = inner

    def _conditions(self, joins: Sequence[exp.Join]) -> None:
        for key in ("where", "prewhere", "having", "qualify"):
            if (clause := self.select.args.get(key)) is not None:
                self.rows |= self._refs(clause.this)
        for join in joins:
            if (on := join.args.get("on")) is not None:
                self.rows |= self._refs(on)
            for name in join.args.get("using") or ():
                self.rows |= self._everywhere(name.name)
        for key in ("group", "order"):  # what they name must be there; it changes no value
            if (clause := self.select.args.get(key)) is not None:
                for one in clause.expressions:
                    self._refs(one)

    def _everywhere(self, name: str) -> Refs:
        found = [source.find([name]) for source in self.sources.values()]
        return frozenset().union(*(refs for refs in found if isinstance(refs, frozenset)))

    def _output(self, one: exp.Expr) -> Iterator[tuple[str, Refs]]:
        star = one.this if isinstance(one, exp.Column) else one
        if isinstance(star, exp.Star):
            without = {column.name for column in star.args.get("except_") or ()}
            whose = one.table if isinstance(one, exp.Column) else ""
            for name, source in self.sources.items():
                if whose in ("", name):
                    yield from ((c, refs) for c, refs in source.all() if c not in without)
        elif isinstance(one, exp.Alias):
            yield one.alias, self._alias(one.alias, one.this)
        else:
            yield one.output_name or one.sql(dialect=_Dialect), self._refs(one)

    def _alias(self, name: str, node: exp.Expr) -> Refs:
        self.open.append(name)
        try:
            return self._refs(node)
        finally:
            self.open.pop()

    def _refs(self, node: exp.Expr) -> Refs:
        if isinstance(node, exp.Column):
            return self._column([part.name for part in node.parts])
        if isinstance(node, exp.Query):
            inner = self._derived(node)
            return inner.rows.union(*(refs for _, refs in inner.all()))
        return frozenset().union(*(self._refs(child) for child in node.iter_expressions()))

    def _column(self, parts: Sequence[str]) -> Refs:
        first, rest = parts[0], parts[1:]
        if rest and first in self.sources:
            return self._told(self.sources[first].find(rest))
        if first in self.aliases and first not in self.open:
            return self._alias(first, self.aliases[first])
        if first in self.arrays:
            node = self.arrays[first]
            if isinstance(node, exp.Column) and (own := [part.name for part in node.parts]):
                return self._in_sources([*own, *rest])
            return self._refs(node)
        return self._in_sources(parts)

    def _in_sources(self, parts: Sequence[str]) -> Refs:
        if len(parts) > 1 and parts[0] in self.sources:
            return self._told(self.sources[parts[0]].find(parts[1:]))
        found = [source.find(parts) for source in self.sources.values()]
        for one in found:
            if isinstance(one, frozenset) and one:
                return one
        if any(isinstance(one, frozenset) for one in found):
            return frozenset()  # of a source whose columns are not known
        return self._told(found[0]) if found else frozenset()

    def _told(self, found: Refs | Unknown) -> Refs:
        if isinstance(found, Unknown):
            self.unknown[found] = None
            return frozenset()
        return found
