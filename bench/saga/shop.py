"""The order saga on real services: workers, simulated payments, stock and shipping, operators."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from random import Random
from typing import Any

import clickhouse_connect

from bench.saga.wire import PROCESS, PROJECT, ROOT
from headrace import topology
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.workers import Workers
from loadgen.fulfilment import Faults, Order, Services
from loadgen.fulfilment.runner import Runner


class Shop:
    """The example in ``root``, with topics, database and keys of its own, applied.

    ``seconds`` by state: what its timer waits, instead of what is declared.
    """

    def __init__(self, root: Path, where: Endpoints, **seconds: float) -> None:
        self.name = f"s{uuid.uuid4().hex[:8]}"
        self.root, self.where = root, where
        shutil.copytree(PROJECT / "schemas", root / "schemas")
        shutil.copy(PROJECT / "order_history.py", root)
        text = (PROJECT / "topology.yaml").read_text(encoding="utf-8")
        text = text.replace("shop.", f"{self.name}.").replace("order_saga", self.name)
        for state, after in seconds.items():
            before, within, rest = text.partition(f"\n      {state}:\n")
            head, _, tail = rest.partition("after_s: ")
            text = f"{before}{within}{head}after_s: {after}{tail[tail.index(',') :]}"
        text += f"\nredis: {{prefix: {self.name}}}\ndelivery: {{max_delay_ms: 50}}\n"
        (root / "topology.yaml").write_text(text, encoding="utf-8")
        self.topology = topology.load(root)
        apply_all(root, self.topology, where)

    def workers(self, count: int) -> Workers:
        """Workers that are started again however often they are killed."""
        path = f"{self.root}:{ROOT}"
        log = self.root / "workers.log"
        return Workers(
            self.root, count, log_file=log, restarts_in_a_row=1_000_000, env={"PYTHONPATH": path}
        )

    def runner(self, services: Services, faults: Faults, random: Random) -> Runner:
        """The services, on the shop's topics."""
        process = self.topology.processes[PROCESS]
        topics = (process.topic, process.commands_topic)
        return Runner(self.root, self.where.kafka, topics, services, faults, random)

    def ends(self) -> dict[str, str]:
        """The final states of the orders that are in one now."""
        found = self._rows(
            "SELECT instance, argMax(to_state, sequence) AS state FROM transitions "
            "GROUP BY instance HAVING argMax(final, sequence)"
        )
        return {row["instance"]: row["state"] for row in found}

    def wrong(self, services: Services, placed: list[Order]) -> list[str]:
        """What is not as it must be: ends, the services' books, the history of each order."""
        books, ends = services.books, self.ends()
        told = books.wrong()
        told += [
            f"{order.id}: {ends.get(order.id)}"
            for order in placed
            if not books.legal(order, ends.get(order.id, ""))
        ]
        before: dict[str, tuple[int, str]] = {}
        for row in self._rows("SELECT * FROM transitions ORDER BY instance, sequence"):
            number, state = before.get(row["instance"], (0, "new"))
            if (row["sequence"], row["from_state"]) != (number + 1, state):
                told.append(f"{row['instance']}: {row['sequence']} follows {number} ({state})")
            before[row["instance"]] = row["sequence"], row["to_state"]
        return told

    def _rows(self, select: str) -> list[dict[str, Any]]:
        client: Any = clickhouse_connect.get_client(dsn=self.where.clickhouse, database=self.name)
        rows = [dict(row) for row in client.query(select).named_results()]
        client.close()
        return rows
