"""Answers questions about metrics, funnels and cohorts, from the cache or from the views."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace.clock import Clock
from headrace.serve.analytics import ranges, scoping, shapes
from headrace.serve.analytics.ranges import Asked, Range
from headrace.serve.answers import Answer, answer
from headrace.serve.auth import Caller
from headrace.serve.cache import Cache
from headrace.serve.positions import AtLeast, Position, Positions, parse_at_least
from headrace.serve.problems import Problem
from headrace.serve.queries import Query, Views, compile
from headrace.serve.queries.query import Scope
from headrace.topology import aggregates
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.model import Topology

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks of one metric, funnel or table of cohorts, as it is written there."""

    asked: Asked
    by: str | None = None
    where: Sequence[str] = ()
    at_least: Sequence[str] = ()
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is the same for all who ask it now, and how it is answered."""

    key: tuple[Any, ...]
    topics: tuple[str, ...]
    ask: Callable[[], Awaitable[Answer]]


class Questions:
    """Turns what is wanted into questions, and those into answers. All raise Problem."""

    def __init__(
        self, topology: Topology, views: Views, positions: Positions, cache: Cache, clock: Clock
    ) -> None:
        self._topology = topology
        self._views = views
        self._positions = positions
        self._cache = cache
        self._clock = clock

    async def answer(self, question: Question, wanted: Wanted) -> Answer:
        """The answer, after waiting for what is wanted at least."""
        topics = question.topics
        records: tuple[AtLeast, ...] = ()
        if wanted.at_least:
            counts = {topic: self._topology.partitions(topic) for topic in topics}
            records = parse_at_least(wanted.at_least, counts)
            await self._positions.wait(self._positions.of_tables, records, wanted.wait_ms)
        return await self._cache.get(
            question.key,
            question.ask,
            lambda: self._positions.of_tables(topics),
            lambda position: all(record.reached(position) for record in records),
        )

    def series(self, name: str, wanted: Wanted, caller: Caller) -> Question:
        """A metric over time."""
        metric = self.metric(name)
        by = scoping.dimensions(wanted.by, metric.dimensions)
        grain_s = self.grain_s(metric)
        span = self._span(wanted.asked, grain_s, "1h")
        scope = self._scope(metric, name, wanted, span, caller)
        query = compile.series(self._topology, metric, scope, span.step_s, by)

        def shape(rows: list[list[Any]]) -> dict[str, Any]:
            head = {"metric": name, "unit": metric.unit, "step_s": span.step_s}
            found = shapes.series(metric, rows, by, span)
            return {**head, **_ends(span), "series": found}

        return self._question(("series", name, by), metric.view, span, query, shape)

    def top(self, name: str, wanted: Wanted, limit: int, caller: Caller) -> Question:
        """The values of a dimension for which a metric is greatest."""
        metric = self.metric(name)
        by = scoping.dimensions(wanted.by, metric.dimensions)
        if not by:
            known = ", ".join(metric.dimensions) or "none"
            detail = f"by: name what to rank; the dimensions are: {known}"
            raise Problem(422, "unknown-dimension", detail, parameter="by")
        span = self._span(wanted.asked, self.grain_s(metric), "1h")
        scope = self._scope(metric, name, wanted, span, caller)
        query = compile.top(self._topology, metric, scope, by, limit)

        def shape(rows: list[list[Any]]) -> dict[str, Any]:
            head = {"metric": name, "unit": metric.unit, **_ends(span)}
            return {**head, "rows": shapes.ranked(metric, rows, by)}

        return self._question(("top", name, by), metric.view, span, query, shape)

    def funnel(self, name: str, wanted: Wanted, caller: Caller) -> Question:
        """The steps of a funnel; by a dimension those of each of its values."""
        funnel = _declared(self._topology.funnels, name, "funnel")
        by = scoping.dimensions(wanted.by, funnel.dimensions)
        span = self._span(wanted.asked, self.grain_s(funnel), "24h")
        scope = self._scope(funnel, name, wanted, span, caller)
        query = compile.funnel(self._topology, funnel, scope, by)

        def shape(rows: list[list[Any]]) -> dict[str, Any]:
            groups: dict[tuple[str, ...], dict[str, float]] = {} if by else {(): {}}
            for row in rows:
                groups.setdefault(tuple(row[:-2]), {})[row[-2]] = row[-1]
            head = {"funnel": name, **_ends(span)}
            if not by:
                return {**head, "steps": shapes.steps(funnel, groups[()])}
            found = [
                {"labels": dict(zip(by, k, strict=True)), "steps": shapes.steps(funnel, values)}
                for k, values in sorted(groups.items())
            ]
            return {**head, "groups": found}

        return self._question(("funnel", name, by), funnel.view, span, query, shape)

    def cohorts(self, name: str, wanted: Wanted, caller: Caller) -> Question:
        """Cohorts that start in a range, and who came back."""
        declared = _declared(self._topology.cohorts, name, "cohorts")
        grain_s = self.grain_s(declared)
        span = self._span(wanted.asked, grain_s, "30d")
        scope = Scope(span.from_s, span.to_s, scoping.fixed(declared, name, caller))
        query = compile.cohorts(self._topology, declared, scope, grain_s)

        def shape(rows: list[list[Any]]) -> dict[str, Any]:
            found = shapes.cohorts(declared, rows, grain_s, self._clock.now_ms() // 1000)
            return {"name": name, "period_s": grain_s, **_ends(span), "cohorts": found}

        return self._question(("cohorts", name), declared.view, span, query, shape)

    def metric(self, name: str) -> Metric:
        """A declared metric; raises Problem naming those there are."""
        return _declared(self._topology.metrics, name, "metric")

    def grain_s(self, declared: Metric | Funnel | Cohorts) -> int:
        """The least step of what is declared."""
        view = self._topology.clickhouse.views[declared.view]
        grain = aggregates.grain_s(view, declared.time)
        assert grain is not None  # the topology was checked
        return grain

    def _span(self, asked: Asked, grain_s: int, default_last: str) -> Range:
        return ranges.resolve(asked, self._clock.now_ms(), grain_s, default_last)

    def _scope(
        self, declared: Metric | Funnel, name: str, wanted: Wanted, span: Range, caller: Caller
    ) -> Scope:
        asked = scoping.filters(wanted.where, declared.dimensions)
        return Scope(span.from_s, span.to_s, (*asked, *scoping.fixed(declared, name, caller)))

    def _question(
        self,
        kind: tuple[Any, ...],
        view: str,
        span: Range,
        query: Query,
        shape: Callable[[list[list[Any]]], dict[str, Any]],
    ) -> Question:
        topics = self._positions.topics_of_view(view)

        async def ask() -> Answer:
            position: Position = await self._positions.of_tables(topics)
            rows = await self._views.rows(query)
            shapes.refuse_more(rows)
            return answer(shape(rows), position)

        return Question((*kind, span, query), topics, ask)


def _declared(known: Mapping[str, T], name: str, what: str) -> T:
    found = known.get(name)
    if found is None:
        shown = ", ".join(known) or "none"
        raise Problem(404, f"unknown-{what}", f"there is no {what} {name!r}; there are: {shown}")
    return found


def _ends(span: Range) -> dict[str, int]:
    return {"from": span.from_s * 1000, "to": span.to_s * 1000}
