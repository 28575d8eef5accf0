"""Sessions and joins: the example of visits, its views compared with plain Python."""

from __future__ import annotations

import threading
from collections import Counter

from rich.console import Console

from headrace.delivery.crash import KEYED_POINTS, POINTS
from tests.chaos.faults import Scene
from tests.chaos.subjects.subject import Plan, Proof
from tests.windows import shop

#: Parts of the load a second, and orders in each; with an order come some four other events.
PARTS_PER_S = 2
ORDERS = 3
#: Seconds of load for each fault, more than they take: a worker that is to die in a named step does
#: not while nothing comes.
PER_FAULT_S = 15.0
SEND_S = 120.0


class Visits:
    """See ``Subject``."""

    points = (*POINTS, *KEYED_POINTS)

    def __init__(self, plan: Plan) -> None:
        self.root = plan.home / "visits"
        self.root.mkdir()
        self._shop = shop.Shop.applied(self.root, plan.where)
        self.declared = self._shop.topology
        parts = max(4, round(plan.faults * PER_FAULT_S * PARTS_PER_S))
        self._made = shop.Made(plan.seed, ORDERS * parts)
        self._parts = list(self._made.sent(parts))
        self._hurry = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._send, name="visits", daemon=True)

    def begin(self) -> None:
        """See ``Subject``."""
        self._thread.start()

    def _send(self) -> None:
        try:
            for part in self._parts:
                for topic, events in part:
                    self._shop.send(topic, events)
                self._hurry.wait(1 / PARTS_PER_S)
        except Exception as error:
            self._failed = error

    def end(self, scene: Scene) -> None:
        """See ``Subject``."""
        self._hurry.set()
        while self._thread.is_alive():
            scene.pause(0.1)
        if self._failed is not None:
            raise RuntimeError("the load failed") from self._failed

    def prove(self, scene: Scene, console: Console) -> Proof:
        """See ``Subject``."""
        made, notes = self._made, {}
        compared = differing = 0
        for what, (stands, must) in shop.compared(self._shop, made).items():
            held, true = Counter(stands), Counter(must)
            compared += (true | held).total()
            differing += ((true - held) + (held - true)).total()
            notes[what] = len(must)
        notes |= {f"{name}_retracted": self._retracted(name) for name in ("visits", "touches")}
        events = len(made.sessions) + len(made.orders) + len(made.catalog)
        return Proof(events, compared, differing, notes, verified=not differing)

    def _retracted(self, table: str) -> int:
        found = self._shop.rows(f"SELECT count() AS n FROM {{db}}.{table} WHERE retracted")
        return int(found[0]["n"])

    def close(self) -> None:
        """See ``Subject``."""
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join(SEND_S)
