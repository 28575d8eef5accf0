"""The example on the real services, its worker killed: the views equal the oracle."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from headrace.endpoints import Endpoints
from tests.keyed.bank import until
from tests.windows.shop import Made, Shop, compared

pytestmark = pytest.mark.slow


def test_a_worker_that_is_killed_leaves_what_the_log_says(stack: Endpoints, tmp_path: Path):
    shop, made = Shop.applied(tmp_path, stack), Made(seed=7, orders=150)
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
    for what, (stands, must) in compared(shop, made).items():
        assert stands == must, what
    for table in ("visits", "order_lines", "touches"):  # the order of the events mattered
        assert shop.rows(f"SELECT count() AS n FROM {{db}}.{table} WHERE retracted")[0]["n"]
