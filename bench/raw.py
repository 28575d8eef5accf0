"""The dashboard's questions to the views, and the same ones to the raw table.

The raw table is the shop's own ``requests``, with rows of its last hour made in ClickHouse by
INSERT … SELECT, so that the view fills as it does from the sink.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

import clickhouse_connect

from headrace.endpoints import Endpoints
from headrace.security.address import clickhouse_options
from headrace.serve.queries import Query, compile
from headrace.serve.queries.query import Scope, select
from headrace.topology.model import Topology

VIEW, TABLE = "requests_by_minute", "requests"
HOUR_S, STEP_S = 3_600, 60
CHUNK = 2_000_000
REPEATS = 9
#: No more rows are made after so long: the report says how many there are.
FILL_S = 300.0
#: What the metrics of the view are in the raw table.
RAW = {
    "requests": "count()",
    "error_rate": "countIf(v.status >= 500) / count()",
    "latency": "quantilesDD(0.01, 0.5, 0.95, 0.99)(toFloat64(v.latency_us))",
}
RANGES_S = {"15m": 900, "1h": HOUR_S}

_INSERT = f"""
INSERT INTO requests (event_id, occurred_at, producer, schema_version, trace_id, tenant, region,
  route, method, status, latency_us, cache_hit, bytes_sent, user_id)
WITH (SELECT groupUniqArray(route) FROM requests) AS routes,
     (SELECT groupUniqArray(tenant) FROM requests) AS tenants, cityHash64(number) AS hash
SELECT toString(number), fromUnixTimestamp64Milli(
    {{end:Int64}} - intDiv(number * {HOUR_S * 1000}, {{rows:UInt64}}), 'UTC'),
  'bench', 1, NULL, tenants[1 + hash % length(tenants)], 'eu_west',
  routes[1 + intDiv(hash, 64) % length(routes)], 'GET',
  if(hash % 200 = 0, 500, 200), 1000 + hash % 100000, hash % 2, 512, NULL
FROM numbers({{start:UInt64}}, {{count:UInt64}})
"""


def measure(where: Endpoints, declared: Topology, rows: int) -> dict[str, Any]:
    """Fill the table up to ``rows`` and ask both; the medians of each question, ms.

    The table must have a few rows: routes and tenants are those that it has.
    """
    database = declared.clickhouse.database
    client = clickhouse_connect.get_client(
        **clickhouse_options(where.clickhouse), database=database, send_receive_timeout=600
    )
    began, end_ms = time.monotonic(), int(time.time() * 1000)
    held = _count(client)
    wanted = max(0, rows - held)
    for start in range(0, wanted, CHUNK):
        if time.monotonic() - began > FILL_S:
            break
        count = min(CHUNK, wanted - start)
        values = {"end": end_ms, "start": start, "count": count, "rows": wanted}
        client.command(_INSERT, parameters=values)
    found: dict[str, Any] = {
        "rows": _count(client),
        "rows_of_view": int(client.command(f"SELECT count() FROM {VIEW}")),
        "insert_s": round(time.monotonic() - began, 1),
    }
    end_s = end_ms // 1000 // STEP_S * STEP_S + STEP_S
    questions = {}
    for name in RAW:
        for by in ((), ("route",)):
            for label, length_s in RANGES_S.items():
                scope = Scope(end_s - length_s, end_s)
                asked = compile.series(declared, declared.metrics[name], scope, STEP_S, by)
                same = _raw(database, name, asked.parameters, by)
                view, raw = _median(client, asked), _median(client, same)
                key = f"{name} last={label}{' by=route' if by else ''}"
                questions[key] = {
                    "view_ms": round(view, 2), "raw_ms": round(raw, 2),
                    "times": round(raw / view, 1),
                }  # fmt: skip
    client.close()
    found["questions"] = questions
    found["times_median"] = statistics.median(q["times"] for q in questions.values())
    found["times_least"] = min(q["times"] for q in questions.values())
    return found


def _raw(database: str, metric: str, parameters: Any, by: tuple[str, ...]) -> Query:
    at = "toUnixTimestamp(toDateTime(v.occurred_at))"
    keys = [f"intDiv({at}, {{step:UInt32}}) * {{step:UInt32}} AS bucket"]
    keys += [f"toString(v.`{column}`)" for column in by]
    within = [
        f"v.occurred_at {sign} toDateTime({{{end}:UInt32}}, 'UTC')"
        for sign, end in ((">=", "from"), ("<", "to"))
    ]
    groups = ", ".join(str(i) for i in range(1, len(keys) + 1))
    bound: Mapping[str, Any] = dict(parameters)
    return select(
        [*keys, RAW[metric]], f"`{database}`.`{TABLE}`", within,
        f"GROUP BY {groups} ORDER BY {groups}", bound,
    )  # fmt: skip


def _median(client: Any, query: Query) -> float:
    """ms of REPEATS runs, after one that is not counted."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        client.raw_query(query.sql, parameters=dict(query.parameters), fmt="JSONCompact")
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:]) * 1000


def _count(client: Any) -> int:
    return int(client.command(f"SELECT count() FROM {TABLE}"))
