"""Series, rankings, funnels and cohorts as queries. Every name in the SQL is a declared one."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.serve.queries.measures import expression, ranking, value_of
from headrace.serve.queries.query import MAX_ROWS, Query, Scope, quoted, select, within
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.model import ClickHouse, Topology


def _table(config: ClickHouse, view: str) -> str:
    return f"`{config.database}`.`{view}`"


def _keys(by: Sequence[str]) -> list[str]:
    return [f"toString({quoted(column)})" for column in by]


def series(
    topology: Topology, metric: Metric, scope: Scope, step_s: int, by: Sequence[str]
) -> Query:
    """Rows of (start of the step in s, the dimensions' values, value), by time.

    One more than MAX_ROWS may come, which says that there are more.
    """
    config = topology.clickhouse
    where, parameters = within(scope, metric.time)
    bucket = f"intDiv(toUnixTimestamp({quoted(metric.time)}), {{step:UInt32}}) * {{step:UInt32}}"
    keys = [f"{bucket} AS bucket", *_keys(by)]
    value = expression(config.views[metric.view], metric.measure)
    groups = ", ".join(str(i) for i in range(1, len(keys) + 1))
    return select(
        [*keys, value], _table(config, metric.view), where,
        f"GROUP BY {groups} ORDER BY {groups} LIMIT {MAX_ROWS + 1}",
        {**parameters, "step": step_s},
    )  # fmt: skip


def top(topology: Topology, metric: Metric, scope: Scope, by: Sequence[str], limit: int) -> Query:
    """The dimensions' values with the greatest value, those first; no value comes last."""
    config = topology.clickhouse
    where, parameters = within(scope, metric.time)
    value = ranking(config.views[metric.view], metric.measure)
    keys = _keys(by)
    groups = ", ".join(str(i) for i in range(1, len(keys) + 1))
    return select(
        [*keys, f"{value} AS value"], _table(config, metric.view), where,
        f"GROUP BY {groups} ORDER BY value DESC NULLS LAST, {groups} LIMIT {{limit:UInt32}}",
        {**parameters, "limit": limit},
    )  # fmt: skip


def funnel(topology: Topology, declared: Funnel, scope: Scope, by: Sequence[str]) -> Query:
    """Rows of (the dimensions' values, step, value); a step that nobody took has no row."""
    config = topology.clickhouse
    where, parameters = within(scope, declared.time)
    keys = _keys([*by, declared.step])
    value = value_of(config.views[declared.view], declared.value)
    groups = ", ".join(str(i) for i in range(1, len(keys) + 1))
    return select(
        [*keys, value], _table(config, declared.view),
        [*where, f"{quoted(declared.step)} IN {{steps:Array(String)}}"],
        f"GROUP BY {groups} ORDER BY {groups} LIMIT {MAX_ROWS + 1}",
        {**parameters, "steps": declared.steps},
    )  # fmt: skip


def cohorts(topology: Topology, declared: Cohorts, scope: Scope, grain_s: int) -> Query:
    """Rows of (cohort's start in s, period, people) of the cohorts that start in the scope.

    All rows are read, also older ones: they tell whose first period it is not.
    """
    config = topology.clickhouse
    time, parameters = quoted(declared.time), {"from": scope.from_s, "to": scope.to_s}
    where = []
    for i, (column, value) in enumerate(scope.equal):
        where.append(f"{quoted(column)} = {{equal{i}:String}}")
        parameters[f"equal{i}"] = value  # type: ignore[assignment]
    people = select(
        [f"toUnixTimestamp(min({time})) AS cohort",
         f"arrayJoin(groupUniqArray(toUnixTimestamp({time}))) AS seen"],
        _table(config, declared.view), where,
        f"GROUP BY {quoted(declared.id)} "
        f"HAVING cohort >= {{from:UInt32}} AND cohort < {{to:UInt32}}",
        parameters,
    )  # fmt: skip
    sql = (
        f"SELECT cohort, intDiv(seen - cohort, {{grain:UInt32}}) AS period, count() "
        f"FROM ({people.sql}) WHERE period < {{periods:UInt32}} "
        f"GROUP BY cohort, period ORDER BY cohort, period LIMIT {MAX_ROWS + 1}"
    )
    bound = {**dict(people.parameters), "grain": grain_s, "periods": declared.periods}
    return Query(sql, tuple(sorted(bound.items())))
