"""Processes: the order saga with simulated services, whose books tell the truth."""

from __future__ import annotations

import threading
import time
from random import Random

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaError, Message
from rich.console import Console

from headrace.delivery.crash import KEYED_POINTS, POINTS
from loadgen.fulfilment import Faults, Services, orders
from loadgen.fulfilment.runner import Runner
from tests.chaos.faults import Scene, kill_all_workers
from tests.chaos.subjects.subject import PER_FAULT_S, Plan, Proof
from tests.process import real
from tests.process.test_services import check

ORDERS_PER_S = 6
QUICK = Faults(0.1, 0.05, 0.05, 0.05, 0.1, delay_ms=100, late_ms=4_000)
#: Nothing more can come after so long without a change: what is late, and what is sent again.
CALM_S = 2 * QUICK.late_ms / 1_000
END_S = 400.0
ASK_S = 1.0
#: What a consumer is told while its broker is away; it comes back by itself.
AWAY = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)


class Patient(Runner):
    """Services that live through the loss of Kafka."""

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is None or error.code() not in AWAY:
            super()._take(message)


class Saga:
    """See ``Subject``."""

    points = (*POINTS, *KEYED_POINTS)

    def __init__(self, plan: Plan) -> None:
        self.root = plan.home / "saga"
        self.root.mkdir()
        self._shop = real.Shop(
            self.root, plan.where,
            authorising=4, reserving=4, shipping=4, capturing=2, cancelling=2,
        )  # fmt: skip
        self.declared = self._shop.topology
        random = Random(plan.seed)
        self._services = Services(QUICK, random)
        count = max(60, round(plan.faults * PER_FAULT_S * ORDERS_PER_S))
        now = time.time_ns() // 1_000_000
        self._placed = list(orders(count, random, QUICK, now, ORDERS_PER_S))
        process = self.declared.processes[real.PROCESS]
        topics = (process.topic, process.commands_topic)
        self._runner = Patient(self.root, plan.where.kafka, topics, self._services, QUICK, random)
        self._stop = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="services", daemon=True)

    def begin(self) -> None:
        """See ``Subject``."""
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._runner.run(self._placed, self._stop.is_set)
        except Exception as error:
            self._failed = error

    def end(self, scene: Scene) -> None:
        """See ``Subject``. Workers whose clocks are wrong make room for others."""
        kill_all_workers(scene)
        deadline, calm_since, before = time.monotonic() + END_S, time.monotonic(), -1
        while time.monotonic() - calm_since < CALM_S:
            if self._failed is not None:
                raise RuntimeError("the services failed") from self._failed
            now = self._moves()
            ended = len(self._shop.ends()) if now == before else 0
            if now != before or ended < len(self._placed):
                calm_since, before = time.monotonic(), now
            if time.monotonic() > deadline:
                raise RuntimeError(f"{ended} of {len(self._placed)} orders ended")
            scene.pause(ASK_S)
        self._stop.set()
        self._thread.join(END_S)

    def _moves(self) -> int:
        try:
            return len(self._shop.transitions())
        except ClickHouseError:
            return -1  # it is not up yet

    def prove(self, scene: Scene, console: Console) -> Proof:
        """See ``Subject``."""
        check(self._shop, self._services, self._placed)
        ends, moves = self._shop.ends(), self._moves()
        notes = {state: list(ends.values()).count(state) for state in sorted(set(ends.values()))}
        return Proof(len(self._placed), len(ends) + moves, 0, notes)

    def close(self) -> None:
        """See ``Subject``."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(END_S)
        self._runner.close()
