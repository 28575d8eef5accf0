"""The saga on the real Kafka, Redis and ClickHouse, with workers that are killed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest

from bench.saga.shop import Shop
from bench.saga.until import Until
from bench.saga.wire import PROCESS
from headrace.endpoints import Endpoints
from loadgen.fulfilment import Faults, Services, orders
from tests.integration.commands import Commands

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(400)]
WAIT_S = 150.0
QUICK = Faults(0.1, 0.05, 0.05, 0.05, 0.1, delay_ms=100, late_ms=2_500)


def test_orders_end_with_money_and_stock_conserved_though_workers_die(
    stack: Endpoints, tmp_path: Path
):
    shop = Shop(tmp_path, stack, authorising=2, reserving=2, shipping=2, capturing=1, cancelling=1)
    random = Random(8)
    services = Services(QUICK, random)
    placed = list(orders(100, random, QUICK, time.time_ns() // 1_000_000, per_second=15))
    runner, workers = shop.runner(services, QUICK, random), shop.workers(2)
    workers.start()
    try:
        # What is late may still come after all have ended.
        calm_s = 2 * QUICK.late_ms / 1_000
        until = Until(shop, workers, len(placed), kills=[4.0, 7.0], calm_s=calm_s, wait_s=WAIT_S)
        runner.run(placed, until)
    finally:
        workers.stop()
        runner.close()
    assert until.killed == 2
    assert shop.wrong(services, placed) == []


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
    assert shop.wrong(services, placed) == []
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
