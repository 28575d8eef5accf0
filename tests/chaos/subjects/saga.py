"""Processes: the order saga with simulated services, whose books tell the truth."""

from __future__ import annotations

import threading
import time
from collections import Counter
from random import Random

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaError, Message
from rich.console import Console

from bench.saga.shop import Shop
from bench.saga.wire import PROCESS
from headrace.delivery.crash import KEYED_POINTS, POINTS
from loadgen.fulfilment import Faults, Order, Services, orders
from loadgen.fulfilment.runner import Runner
from tests.chaos.faults import Scene, kill_all_workers
from tests.chaos.subjects.subject import Plan, Proof

ORDERS_PER_S = 6
#: Orders are made for so many seconds at a time, until faults are over.
STRETCH_S = 5
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
        self._shop = Shop(
            self.root, plan.where,
            authorising=4, reserving=4, shipping=4, capturing=2, cancelling=2,
        )  # fmt: skip
        self.declared = self._shop.topology
        self._random = random = Random(plan.seed)
        self._services = Services(QUICK, random)
        self._placed: list[Order] = []
        process = self.declared.processes[PROCESS]
        topics = (process.topic, process.commands_topic)
        self._runner = Patient(self.root, plan.where.kafka, topics, self._services, QUICK, random)
        self._enough = threading.Event()
        self._stop = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="services", daemon=True)

    def begin(self) -> None:
        """See ``Subject``."""
        self._thread.start()

    def _serve(self) -> None:
        try:
            while not self._enough.is_set():
                self._stretch()
            self._runner.run([], self._stop.is_set)
        except Exception as error:
            self._failed = error

    def _stretch(self) -> None:
        """Orders of some seconds, and all that goes on meanwhile."""
        placed = orders(
            ORDERS_PER_S * STRETCH_S, self._random, QUICK, time.time_ns() // 1_000_000,
            ORDERS_PER_S, first=len(self._placed),
        )  # fmt: skip
        until = time.monotonic() + STRETCH_S
        new = list(placed)
        self._placed += new
        self._runner.run(new, lambda: time.monotonic() > until)

    def end(self, scene: Scene) -> None:
        """See ``Subject``. Workers whose clocks are wrong make room for others."""
        kill_all_workers(scene)
        self._enough.set()
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
            return self._shop.moves()
        except ClickHouseError:
            return -1  # it is not up yet

    def prove(self, scene: Scene, console: Console) -> Proof:
        """See ``Subject``."""
        wrong = self._shop.wrong(self._services, self._placed)
        for one in wrong[:20]:
            console.print(one, highlight=False)
        ends = Counter(self._shop.ends().values())
        compared = len(self._placed) + self._shop.moves()
        return Proof(len(self._placed), compared, len(wrong), dict(ends), verified=not wrong)

    def close(self) -> None:
        """See ``Subject``."""
        self._enough.set()
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(END_S)
        self._runner.close()
