"""The example on the real services, its worker killed: the views equal the oracle."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from headrace.endpoints import Endpoints
from tests.keyed.bank import until
from tests.windows.shop import Made, Row, Shop, lines, touches, visits

CURRENT = """
SELECT argMaxMerge(user_id) AS user, argMaxMerge(device) AS kind,
       toUnixTimestamp64Milli(argMaxMerge(started_at)) AS start,
       argMaxMerge(length_ms) AS length, argMaxMerge(events) AS n,
       argMaxMerge(conversions) AS converted
FROM {db}.current_visits GROUP BY session_id HAVING NOT argMaxMerge(retracted)"""
LINES = """
SELECT any(order_id) AS o, any(product_id) AS p, any(quantity) AS q, any(category) AS c,
       any(list_price) AS price
FROM {db}.order_lines GROUP BY pair_id HAVING sum(if(retracted, -1, 1)) = 1"""
TOUCHES = """
SELECT any(order_id) AS o, any(product_id) AS p,
       toUnixTimestamp64Milli(assumeNotNull(any(matched_at))) AS at
FROM {db}.touches GROUP BY pair_id HAVING sum(if(retracted, -1, 1)) = 1"""
BY_CATEGORY = """
SELECT category, sum(lines) AS l, sum(units) AS u, sum(discount) AS d
FROM {db}.lines_by_category GROUP BY category HAVING l != 0"""


def test_a_worker_that_is_killed_leaves_what_the_log_says(stack: Endpoints, tmp_path: Path):
    shop, made = Shop(tmp_path, stack), Made(seed=7, orders=150)
    workers = shop.workers(1)
    workers.start()
    try:
        for topics in made.sent(parts=3):
            behind = shop.behind()
            for topic, events in topics:
                shop.send(topic, events)
            sent = sum(len(events) for _, events in topics)
            # Something of this part is applied, and much of it is not.
            until(workers, lambda most=behind + sent: shop.behind() < most)  # type: ignore[misc]
            for pid in workers.pids:
                os.kill(pid, signal.SIGKILL)
        until(workers, lambda: not shop.behind() and not shop.behind())
    finally:
        workers.stop()
    found = lines(made.orders, made.catalog)
    assert told(shop.rows(CURRENT)) == visits(made.sessions)
    assert told(shop.rows(LINES)) == found
    assert told(shop.rows(TOUCHES)) == touches(made.orders, made.sessions)
    assert told(shop.rows(BY_CATEGORY)) == by_category(found)
    for table in ("visits", "order_lines", "touches"):  # the order of the events mattered
        assert shop.rows(f"SELECT count() AS n FROM {{db}}.{table} WHERE retracted")[0]["n"]


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in rows), key=repr)


def by_category(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Lines, units and discount from 10.00 by category."""
    sums: dict[str, list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    for _, _, quantity, category, price in found:
        total = sums[category or ""]
        total[0] += 1
        total[1] += quantity
        total[2] += quantity * ((price or Decimal("10.00")) - Decimal("10.00"))
    return sorted(((name, *values) for name, values in sums.items()), key=repr)
