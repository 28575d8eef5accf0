"""How many of the incidents that were made to happen the detector finds, and what else it tells.

    python -m bench.anomalies [--seeds 501 502 503] [--events-per-day 2000000] [--json FILE]

For each seed: quiet days to learn from, and then a day with 20 incidents. The generator's rows are
folded by minute as the views do it and given to the detector directly, which is quicker than Kafka
and ClickHouse; tests/watch/test_day.py goes the whole way with a smaller day.

An incident is found if an alert that has a series which it shows in opens while it lasts, or
within 10 minutes after. An alert is false if it belongs to no incident so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace import topology
from headrace.anomaly.detector import Values
from headrace.anomaly.watcher import Watcher
from loadgen import LoadConfig, days, resolve
from loadgen import vocabulary as v
from loadgen.incidents import (
    ERROR_BURST,
    LATENCY_STEP,
    ORDERS_DROP,
    PAYMENT_FAILURES,
    REGION_OUTAGE,
    TRAFFIC_FLOOD,
    Incident,
    plan,
)
from loadgen.rows import DUPLICATE, ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows
from loadgen.stream import windows
from loadgen.wiring import ROOT
from loadgen.world import World

START_MS = 1_772_323_200_000  # 2026-03-01
MINUTE_MS = 60_000
INCIDENTS = 20
GRACE_MS = 10 * MINUTE_MS
#: Watches of topology.yaml that an incident shows in.
SHOWS: Mapping[str, frozenset[str]] = {
    ORDERS_DROP: frozenset({"orders", "orders_by_region", "revenue"}),
    PAYMENT_FAILURES: frozenset({"failed_payments"}),
    LATENCY_STEP: frozenset({"latency"}),
    ERROR_BURST: frozenset({"error_rate"}),
    TRAFFIC_FLOOD: frozenset({"requests"}),
    REGION_OUTAGE: frozenset({"orders", "orders_by_region", "revenue", "active_users", "requests"}),
}
_COLUMNS = {
    ORDERS: ("region", "currency", "total"),
    PAYMENTS: (),
    SESSIONS: ("region", "user"),
    REQUESTS: ("route", "status", "latency"),
}
_TYPES = {ORDERS: v.PLACED, PAYMENTS: v.FAILED}
Minutes = dict[int, dict[str, dict[tuple[str, ...], tuple[float, float]]]]


def frames(config: LoadConfig) -> dict[str, pl.DataFrame]:
    """What the watches count, a row an event, with its minute."""
    parts: dict[str, list[pl.DataFrame]] = defaultdict(list)
    made = 0
    assert config.events is not None
    for rows in windows(config, World(config)):
        for stream in _COLUMNS:
            if stream in rows:
                parts[stream].append(_frame(stream, rows[stream]))
        made += sum(map(len, rows.values()))
        if made >= config.events:
            break
    return {stream: pl.concat(found) for stream, found in parts.items()}


def _frame(stream: str, rows: Rows) -> pl.DataFrame:
    if stream != REQUESTS:  # the other topics drop what was sent twice
        rows = rows[rows["mark"] != DUPLICATE]
    if stream in _TYPES:
        rows = rows[rows["type"] == _TYPES[stream]]
    taken = {name: np.ascontiguousarray(rows[name]) for name in _COLUMNS[stream]}
    if stream == REQUESTS:
        taken["route"] = np.array(v.ROUTE_PATH)[rows["route"]]
    if stream == SESSIONS:
        return pl.DataFrame({"minute": rows["at"] // MINUTE_MS, **taken}).unique()
    return pl.DataFrame({"minute": rows["at"] // MINUTE_MS, **taken})


def minutes(config: LoadConfig) -> Minutes:
    """The values of every watch by minute, as the views have them."""
    events = frames(config)
    orders, requests = events[ORDERS], events[REQUESTS]
    euros = orders.filter(pl.col("currency") == v.CURRENCIES.index("EUR"))
    by_route = requests.group_by("minute", "route").agg(
        requests=pl.len(), errors=(pl.col("status") >= 500).sum(), median=pl.col("latency").median()
    )
    found: Minutes = defaultdict(lambda: defaultdict(dict))

    def put(watch: str, frame: pl.DataFrame, names: Sequence[str] = ()) -> None:
        for minute, *key, value, exposure in frame.iter_rows():
            labels = (names[key[0]],) if key else ()
            found[minute][watch][labels] = (float(value), float(exposure))

    one = pl.lit(1).alias("exposure")
    put("orders", orders.group_by("minute").agg(pl.len(), one))
    put("orders_by_region", orders.group_by("minute", "region").agg(pl.len(), one), v.REGIONS)
    put("revenue", euros.group_by("minute").agg(pl.col("total").sum() / 100, one))
    put(
        "active_users",
        events[SESSIONS].group_by("minute", "region").agg(pl.col("user").n_unique(), one),
        v.REGIONS,
    )
    put("failed_payments", events[PAYMENTS].group_by("minute").agg(pl.len(), one))
    paths = v.PATHS.values
    put("requests", by_route.select("minute", "route", "requests", one), paths)
    put("error_rate", by_route.select("minute", "route", "errors", "requests"), paths)
    put("latency", by_route.select("minute", "route", "median", one), paths)
    return found


def alerts_of(
    declared: topology.Topology, values: Mapping[int, Mapping[str, Values]]
) -> list[dict[str, Any]]:
    """The alerts that open."""
    watcher = Watcher(declared)
    told = []
    for minute in range(min(values), max(values)):  # the last one is not complete
        told += watcher.judge(minute, values.get(minute, {}))
    return [event for event in told if event["state"] == "opened"]


def judged(planned: Sequence[Incident], alerts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Which incidents were found and how soon, and which alerts are false."""
    delays: dict[int, float] = {}
    false = []
    for alert in alerts:
        mine = [
            i
            for i, incident in enumerate(planned)
            if incident.start_ms < alert["judged_at"] <= incident.end_ms + GRACE_MS
            and any(series["watch"] in SHOWS[incident.kind] for series in alert["series"])
        ]
        for i in mine:
            delay = (alert["judged_at"] - planned[i].start_ms) / MINUTE_MS
            delays.setdefault(i, delay)
        if not mine:
            false.append(alert)
    missed = [incident.as_dict() for i, incident in enumerate(planned) if i not in delays]
    return {
        "incidents": len(planned),
        "found": len(delays),
        "alerts": len(alerts),
        "false": len(false),
        "minutes_to_detect": sorted(round(delay, 1) for delay in delays.values()),
        "missed": missed,
        "false_alerts": false,
    }


def day(seed: int, per_day: int, quiet: int) -> dict[str, Any]:
    """One seed's figures."""
    total = per_day * (quiet + 1)
    run = LoadConfig(events=total, seed=seed, start_ms=START_MS, incidents=INCIDENTS)
    config = resolve(days(run, quiet + 1), START_MS)
    began = time.monotonic()
    values = minutes(config)
    folded = time.monotonic()
    alerts = alerts_of(topology.load(ROOT), values)
    seconds = {"fold": folded - began, "judge": time.monotonic() - folded}
    return {"seed": seed, **judged(plan(config), alerts), "seconds": seconds}


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line a seed and the totals; 1 when a seed misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.anomalies")
    parser.add_argument("--seeds", type=int, nargs="+", default=[501, 502, 503, 504, 505])
    parser.add_argument("--events-per-day", type=int, default=2_000_000)
    parser.add_argument("--quiet-days", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    results = []
    for seed in asked.seeds:
        found = day(seed, asked.events_per_day, asked.quiet_days)
        results.append(found)
        middle = statistics.median(found["minutes_to_detect"] or [0])
        print(
            f"seed {seed}: {found['found']} of {found['incidents']} found, {found['false']} false "
            f"of {found['alerts']} alerts, median {middle:.1f} minutes to detect",
            flush=True,
        )
        for incident in found["missed"]:
            print(f"  missed: {incident}")
        for alert in found["false_alerts"]:
            print(f"  false: {alert['started_at']} {alert['group']} {alert['series']}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(results, indent=2))
    return int(any(r["found"] < 19 or r["false"] > 2 for r in results))


if __name__ == "__main__":
    raise SystemExit(main())
