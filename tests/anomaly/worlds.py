"""Small worlds to watch: a topology of two watches, and days with a season."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from headrace.anomaly.watcher import Watcher
from headrace.topology.model import Topology

SEASON = 120  # a day of two hours, so that tests are quick
Values = dict[str, dict[tuple[str, ...], tuple[float, float]]]


def topology(**anomalies: Any) -> Topology:
    """Orders by region and the share of errors, in a group each."""
    views = {
        "sales": {
            "columns": {"minute": "DateTime", "region": "String",
                        "orders": "SimpleAggregateFunction(sum, UInt64)",
                        "errors": "SimpleAggregateFunction(sum, UInt64)"},
            "order_by": ["minute", "region"],
            "from": {"raw": "SELECT toStartOfMinute(at) AS minute FROM raw"},
        }
    }  # fmt: skip
    metric = {"view": "sales", "time": "minute", "dimensions": ["region"]}
    declared = {
        "season_minutes": SEASON,
        "slot_minutes": 10,
        "adopt_minutes": 60,
        "groups": {"shop": {"owner": "a", "within_minutes": 10, "daily_cap": 3}},
        "watches": {
            "orders": {"metric": "orders", "by": ["region"], "group": "shop"},
            "errors": {"metric": "errors", "group": "shop", "direction": "up"},
        },
        **anomalies,
    }
    return Topology.model_validate(
        {
            "version": 1,
            "name": "p",
            "topics": {"t": {"schema": "s", "key": "k"}},
            "agents": {"a": {"function": "a:b", "reads": ["t"], "writes": {"tables": ["raw"]}}},
            "clickhouse": {
                "tables": {"raw": {"topic": "t", "order_by": ["at"]}},
                "views": views,
            },
            "metrics": {
                "orders": {**metric, "measure": {"count": "orders"}},
                "errors": {**metric, "measure": {"ratio": ["errors", "orders"]}},
            },
            "anomalies": declared,
        }
    )


def minute(number: int, seed: int, factor: float = 1.0, failing: float = 0.01) -> Values:
    """What there is to see at a minute: a busy half of the season, a quiet one, and chance."""
    rng = np.random.default_rng([seed, number])
    busy = 1 + 0.6 * math.sin(2 * math.pi * number / SEASON)
    orders = {
        (region,): (float(rng.poisson(share * busy * factor)), 1.0)
        for region, share in (("eu", 60.0), ("us", 40.0))
    }
    total = sum(value for value, _ in orders.values())
    errors = {(): (float(rng.binomial(int(total), failing)), total)}
    return {"orders": orders, "errors": errors}


def told(watcher: Watcher, first: int, last: int, seed: int, **wrong: Any) -> list[dict[str, Any]]:
    """The events of the minutes ``first..last``, in which something may be wrong."""
    return [
        event
        for number in range(first, last + 1)
        for event in watcher.judge(number, minute(number, seed, **wrong))
    ]
