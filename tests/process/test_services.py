"""The saga on the real Kafka, Redis and ClickHouse, with workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from headrace.endpoints import Endpoints
from headrace.workers import Workers
from loadgen.fulfilment import Faults, Order, Services, orders
from tests.integration.commands import Commands
from tests.process.real import PROCESS, Shop

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]
WAIT_S = 150.0
QUICK = Faults(0.1, 0.05, 0.05, 0.05, 0.1, delay_ms=100, late_ms=4_000)


class Until:
    """Done when all orders have ended and stayed so for ``calm_s``; kills workers meanwhile."""

    def __init__(self, shop: Shop, workers: Workers, count: int, kills: Iterator[float]) -> None:
        self._shop, self._workers, self._count = shop, workers, count
        self._started = time.monotonic()
        self._kills = kills
        self._next = next(kills, None)
        self._asked = 0.0
        self._calm = 0
        self.killed = 0

    def __call__(self) -> bool:
        now = time.monotonic() - self._started
        assert now < WAIT_S, f"{len(self._shop.ends())} of {self._count} ended"
        self._workers.check()
        if self._next is not None and now > self._next:
            pid = self._workers.pids[self.killed % len(self._workers.pids)]
            os.kill(pid, signal.SIGKILL)
            self.killed += 1
            self._next = next(self._kills, None)
        if now < self._asked:
            return False
        self._asked = now + 1
        all_ended = self._next is None and len(self._shop.ends()) == self._count
        self._calm = self._calm + 1 if all_ended else 0
        return self._calm > QUICK.late_ms * 2 / 1_000  # what is late may still come


def test_orders_end_with_money_and_stock_conserved_though_workers_die(
    stack: Endpoints, tmp_path: Path
):
    shop = Shop(tmp_path, stack, authorising=2, reserving=2, shipping=2, capturing=1, cancelling=1)
    random = Random(8)
    services = Services(QUICK, random)
    placed = list(orders(150, random, QUICK, time.time_ns() // 1_000_000, per_second=15))
    runner, workers = shop.runner(services, QUICK, random), shop.workers(2)
    workers.start()
    try:
        until = Until(shop, workers, len(placed), iter([5.0, 9.0]))
        runner.run(placed, until)
    finally:
        workers.stop()
        runner.close()
    assert until.killed == 2
    check(shop, services, placed)


def check(shop: Shop, services: Services, placed: list[Order]) -> None:
    """Legal ends, conserved sums, and a history without gap or repeat for each order."""
    books, ends = services.books, shop.ends()
    assert books.wrong() == []
    for order in placed:
        captured = books.total(books.money, order.id, "captured")
        shipped = books.total(books.goods, order.id, "shipped")
        whole = (order.cents, order.pieces) if ends[order.id] == "completed" else (0, 0)
        assert (captured, shipped) == whole, (order.id, ends[order.id])
    before: dict[str, tuple[int, str]] = {}
    for row in shop.transitions():
        number, state = before.get(row["instance"], (0, "new"))
        assert (row["sequence"], row["from_state"]) == (number + 1, state)
        before[row["instance"]] = row["sequence"], row["to_state"]


def test_stuck_orders_are_listed_shown_and_resumed(
    stack: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """Nobody answers the capture, until an operator has mended that."""
    shop = Shop(tmp_path, stack, capturing=0.05)
    fine = Faults(delay_ms=20)
    random = Random(8)
    services = Deaf(fine, random)
    placed = list(orders(3, random, fine, time.time_ns() // 1_000_000, per_second=50))
    headrace = Commands(tmp_path, monkeypatch, capsys)
    runner, workers = shop.runner(services, fine, random), shop.workers(1)
    workers.start()
    try:
        runner.run(placed, _when(lambda: _stuck(headrace) == 3))
        assert headrace("process", "list", PROCESS).code == 0
        said = headrace("process", "list", PROCESS, "--stuck", "--json")
        assert said.code == 1
        assert {row["state"] for row in json.loads(said.out)} == {"capturing"}
        shown = headrace("process", "show", PROCESS, placed[0].id)
        assert "stuck" in shown.out
        assert f"sent {PROCESS}/{placed[0].id}/capture/1" in shown.out
        assert headrace("process", "show", PROCESS, "nobody").code == 1
        services.deaf = False
        assert headrace("process", "resume", PROCESS, "nobody").code == 1
        resumed = headrace("process", "resume", PROCESS, "--all", "--json")
        assert json.loads(resumed.out) == {"resumed": 3, "not_stuck": []}
        runner.run(
            [], _when(lambda: set(shop.ends().values()) == {"completed"} and len(shop.ends()) == 3)
        )
    finally:
        workers.stop()
        runner.close()
    check(shop, services, placed)
    assert _stuck(headrace) == 0
    acts = json.loads(headrace("audit", "list", "--act", "process.resume", "--json").out)
    told = [(act["outcome"], act["details"].get("sent")) for act in acts]
    assert told[-2:] == [("intended", None), ("done", "3")]


class Deaf(Services):
    """Services that do not hear captures for a while."""

    deaf = True

    def handle(self, command, at):
        if self.deaf and command["type"] == "capture_payment":
            return None
        return super().handle(command, at)


def _stuck(headrace: Commands) -> int:
    return len(json.loads(headrace("process", "list", PROCESS, "--stuck", "--json").out))


def _when(condition):
    deadline, asked = time.monotonic() + WAIT_S, 0.0

    def done() -> bool:
        nonlocal asked
        now = time.monotonic()
        assert now < deadline
        if now < asked:
            return False
        asked = now + 0.3
        return condition()

    return done
