"""The order saga on real services: workers, simulated payments, stock and shipping, operators."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
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

ENDED = "FROM transitions GROUP BY instance HAVING argMax(final, sequence)"


class Shop:
    """The example in ``root``, with topics, database and keys of its own, applied.

    ``max_delay_ms``: how long a record waits for others. ``seconds`` by state: what its timer
    waits, instead of what is declared.
    """

    def __init__(
        self, root: Path, where: Endpoints, *, max_delay_ms: int = 50, **seconds: float
    ) -> None:
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
        text += f"\nredis: {{prefix: {self.name}}}\ndelivery: {{max_delay_ms: {max_delay_ms}}}\n"
        (root / "topology.yaml").write_text(text, encoding="utf-8")
        self.topology = topology.load(root)
        apply_all(root, self.topology, where)

    def workers(self, count: int) -> Workers:
        """Workers that are started again however often they are killed."""
        log = self.root / "workers.log"
        return Workers(self.root, count, log_file=log, restarts_in_a_row=1_000_000, env=self.env)

    @property
    def env(self) -> dict[str, str]:
        """What the shop's processes need to import its functions."""
        return {"PYTHONPATH": f"{self.root}:{ROOT}"}

    def runner(self, services: Services, faults: Faults, random: Random) -> Runner:
        """The services, on the shop's topics."""
        process = self.topology.processes[PROCESS]
        topics = (process.topic, process.commands_topic)
        return Runner(self.root, self.where.kafka, topics, services, faults, random)

    def ends(self) -> dict[str, str]:
        """The final states of the orders that are in one now."""
        return dict(self._rows(f"SELECT instance, argMax(to_state, sequence) {ENDED}"))

    def ended(self) -> int:
        """How many orders are in a final state now."""
        return int(next(self._rows(f"SELECT count() FROM (SELECT instance {ENDED})"))[0])

    def moves(self) -> int:
        """How many transitions there are so far."""
        return int(next(self._rows("SELECT count() FROM transitions"))[0])

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
        moves = "SELECT instance, sequence, from_state, to_state FROM transitions"
        for instance, sequence, from_, to in self._rows(f"{moves} ORDER BY instance, sequence"):
            number, state = before.get(instance, (0, "new"))
            if (sequence, from_) != (number + 1, state):
                told.append(f"{instance}: {sequence} follows {number} ({state})")
            before[instance] = sequence, to
        return told

    def _rows(self, select: str) -> Iterator[tuple[Any, ...]]:
        client: Any = clickhouse_connect.get_client(dsn=self.where.clickhouse, database=self.name)
        with closing(client), client.query_rows_stream(select) as rows:
            yield from rows
