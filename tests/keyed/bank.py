"""The bank on real services, and what must be true of it by a plain count of its logs."""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import clickhouse_connect
import orjson
import redis

from headrace import topology as topologies
from headrace.cli.apply import apply_all
from headrace.client.decoded import DecodedEvents
from headrace.client.ranges import RangeReader
from headrace.client.send import EventProducer
from headrace.endpoints import Endpoints
from headrace.lag import LagReader
from headrace.workers import Workers
from tests.keyed import project

WAIT_S = 120.0
Row = dict[str, Any]


class Bank:
    """A project in ``root`` with topics, database and keys of its own, applied."""

    def __init__(self, root: Path, where: Endpoints, **changed: Any) -> None:
        self.name = f"b{uuid.uuid4().hex[:8]}"
        self.root = root
        self.where = where
        project.write(root, self.name, **changed)
        self.topology = topologies.load(root)
        apply_all(root, self.topology, where)
        self.redis: Any = redis.Redis.from_url(where.redis)

    def workers(self, count: int, **env: str) -> Workers:
        """Workers that are started again when they die, as often as they do."""
        log = self.root / "workers.log"
        return Workers(self.root, count, log_file=log, restarts_in_a_row=1_000_000, env=env)

    def send(self, kind: str, events: Iterable[Row]) -> int:
        """Send events to a topic of the bank; returns how many."""
        producer = EventProducer(
            self.root, self.topology, f"{self.name}.{kind}", self.where.kafka, _no_ring
        )
        outcome = producer.send(map(orjson.dumps, events), _wrong)
        return outcome.sent

    def log(self, kind: str) -> list[Row]:
        """The records of a topic by partition, in order, repeats too."""
        topic = f"{self.name}.{kind}"
        decoded = DecodedEvents(self.root, self.topology, topic)
        with RangeReader(self.where.kafka, topic, "headrace-test") as reader:
            batches = list(reader.batches(reader.all()))
        return [row for batch in batches for row in decoded.of(batch)]

    def events(self, kind: str) -> list[Row]:
        """The same without repeats."""
        seen: dict[str, Row] = {}
        for row in self.log(kind):
            seen.setdefault(row["event_id"], row)
        return list(seen.values())

    def states(self) -> dict[str, Row]:
        """What is kept of each account."""
        held = {}
        for raw in self.redis.scan_iter(match=f"{self.name}:{{*}}:account:*"):
            held[raw.decode().rpartition(":")[2]] = orjson.loads(self.redis.get(raw))
        return held

    def rows(self) -> list[Row]:
        """What is in the table of notices."""
        return self.ask("SELECT event_id, account, type, entries, balance FROM {name}.notices")

    def ids(self) -> list[str]:
        """Ids in the table of entries."""
        return sorted(row["event_id"] for row in self.ask("SELECT event_id FROM {name}.entries"))

    def ask(self, select: str) -> list[Row]:
        """Rows of a query; ``{name}`` is the bank's database."""
        client: Any = clickhouse_connect.get_client(dsn=self.where.clickhouse)
        select = select.replace("{name}", self.name)
        return [dict(row) for row in client.query(select).named_results()]

    def command(self, text: str) -> None:
        """Change something behind the pipeline's back."""
        client: Any = clickhouse_connect.get_client(dsn=self.where.clickhouse)
        client.command(text.replace("{name}", self.name))

    def behind(self) -> int:
        """Records that are not applied yet."""
        tps = self.topology.topic_partitions(self.topology.topics)
        with LagReader(self.where.kafka, self.name, tps) as reader:
            return sum(lag.behind for lag in reader.read().values())

    def drain(self, workers: Workers, settled: Callable[[], bool] = lambda: True) -> None:
        """Wait until all is applied, what was emitted meanwhile too, and ``settled``."""
        until(workers, lambda: not self.behind() and settled() and not self.behind())

    def check(self) -> None:
        """States, notices and rows are what the log of entries says, each once."""
        entries = self.events("entries")
        states, notices = count(entries)
        assert self.states() == states
        assert self.ids() == sorted(entry["event_id"] for entry in entries)
        told = {row["event_id"]: {k: row[k] for k in NOTICE} for row in self.events("notices")}
        assert told == notices
        rows = self.rows()
        assert len(rows) == len(notices)
        assert {row["event_id"]: {k: row[k] for k in NOTICE} for row in rows} == notices
        assert not self.redis.keys(f"{self.name}:{{*}}:outbox:*")
        assert not self.redis.keys(f"{self.name}:{{*}}:undo:*")


NOTICE = ("account", "type", "entries", "balance")


def count(entries: Iterable[Row]) -> tuple[dict[str, Row], dict[str, Row]]:
    """The states and the notices by id that follow from entries in log order: a plain recount."""
    kept: dict[str, Row] = defaultdict(lambda: {"entries": 0, "balance": 0, "due": 0})
    notices: dict[str, Row] = {}
    for entry in entries:
        account, type_ = entry["account"], entry["type"]
        state, told = kept[account], ""
        if type_ == "hold_ends":
            due = f"timer:balance:{account}:{state['due']}"
            if entry["event_id"] == due:
                state["due"], told = 0, "released"
        elif type_ == "close":
            kept[account] = {"entries": 0, "balance": 0, "due": 0}
        else:
            state["entries"] += 1
            state["balance"] += entry["cents"]
            state["due"] = entry["hold_ms"] or state["due"]
            told = "" if state["entries"] % project.EVERY else "third"
        if told:
            notices[f"{entry['event_id']}:{told}"] = {
                "account": account,
                "type": told,
                "entries": state["entries"],
                "balance": state["balance"],
            }
    return {account: state for account, state in kept.items() if state["entries"]}, notices


def until(workers: Workers, condition: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    """Wait for a condition, starting workers again that died."""
    deadline, pause = time.monotonic() + wait_s, threading.Event()
    while not condition():
        workers.check()
        assert time.monotonic() < deadline
        pause.wait(0.1)


def _no_ring() -> Any:
    raise AssertionError("nothing is private here")


def _wrong(number: int, why: str) -> None:
    raise AssertionError(f"event {number}: {why}")
