"""Probes of freshness: real events sent by the clock, and asked for in the stores until seen.

Every probe has the moment at which it was to be sent, and its latency counts from there, whatever
held it up: an open loop, so that a stall is in every probe that fell into it (Gil Tene's
"coordinated omission"). What the asking adds, a pause between questions at most, stays in.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any

import clickhouse_connect
import numpy as np
from confluent_kafka import Producer

from bench.process import ROOT
from headrace.endpoints import Endpoints
from headrace.schema import Encoder, Registry
from headrace.topology import Topology
from loadgen.murmur import partitions_of
from sinks.redis.keys import Keys

TOPIC, TABLE, TYPE = "shop.sessions", "sessions", "page_view"
#: Seconds between two questions. A question to ClickHouse costs it several ms of CPU.
ASK_S = {"redis": 0.005, "clickhouse": 0.05}
LOST_S = 60.0


class Probes:
    """Sends ``rate`` probes a second while it is open; ``seconds`` has the latencies by store."""

    def __init__(self, where: Endpoints, declared: Topology, rate: float) -> None:
        self._where = where
        self._declared = declared
        self._rate = rate
        self._run = uuid.uuid4().hex[:8]
        self._stop = threading.Event()
        self._pending: dict[str, dict[str, float]] = {"redis": {}, "clickhouse": {}}
        self.seconds: dict[str, list[float]] = {"redis": [], "clickhouse": []}
        self.sent = 0
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True)
            for work in (self._send, self._ask_redis, self._ask_clickhouse)
        ]

    def __enter__(self) -> Probes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sending; wait for what is still on its way, at most LOST_S."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failed.append(error)
            self._stop.set()

    def _send(self) -> None:
        encoder = Encoder(Registry.load(ROOT), "sessions")
        producer = Producer({"bootstrap.servers": self._where.kafka, "linger.ms": 0})
        partitions = self._declared.partitions(TOPIC)
        due = time.monotonic() + 1 / self._rate
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            user = f"probe-{self._run}-{self.sent}"
            for pending in self._pending.values():
                pending[user] = due
            producer.produce(
                TOPIC,
                encoder.encode(self._event(user)),
                user.encode(),
                int(partitions_of([user.encode()], partitions)[0]),
            )
            producer.poll(0)
            self.sent += 1
            due += 1 / self._rate
        producer.flush(10)

    def _event(self, user: str) -> dict[str, Any]:
        return {
            "event_id": uuid.uuid4().hex[:26].upper(),
            "occurred_at": int(time.time() * 1000),
            "producer": "probe",
            "schema_version": 1,
            "user_id": user,
            "region": "eu_west",
            "type": TYPE,
            "session_id": user[-8:],
            "device": "app",
        }

    def _ask_redis(self) -> None:
        import redis

        keys = Keys(self._declared.redis.prefix)
        partitions = self._declared.partitions(TOPIC)
        with closing(redis.Redis.from_url(self._where.redis)) as client:

            def seen(users: list[str]) -> list[str]:
                places = partitions_of([user.encode() for user in users], partitions).tolist()
                pipeline = client.pipeline(transaction=False)
                for user, partition in zip(users, places, strict=True):
                    pipeline.exists(keys.data(partition, "user", user))
                return [u for u, there in zip(users, pipeline.execute(), strict=True) if there]

            self._ask("redis", seen)

    def _ask_clickhouse(self) -> None:
        query = (
            f"SELECT user_id FROM {self._declared.clickhouse.database}.{TABLE} "
            f"WHERE type = '{TYPE}' AND user_id IN {{users:Array(String)}}"
        )
        with closing(clickhouse_connect.get_client(dsn=self._where.clickhouse)) as client:

            def seen(users: list[str]) -> list[str]:
                found = client.query(query, parameters={"users": users}).result_rows
                return [user for (user,) in found]

            self._ask("clickhouse", seen)

    def _ask(self, store: str, seen: Callable[[list[str]], list[str]]) -> None:
        pending, pause = self._pending[store], threading.Event()
        stopped = None
        while True:
            users = list(pending)
            if users:
                for user in seen(users):
                    self.seconds[store].append(time.monotonic() - pending.pop(user))
            if self._stop.is_set():
                stopped = stopped or time.monotonic()
                if not pending or self._failed or time.monotonic() - stopped > LOST_S:
                    return
            pause.wait(ASK_S[store])

    def summary(self) -> dict[str, Any]:
        """p50, p95, p99 and the most, in ms, by store; and how many were never seen."""
        found: dict[str, Any] = {"sent": self.sent}
        for store, seconds in self.seconds.items():
            ms = np.array(seconds or [np.nan]) * 1000
            found[store] = {
                **{f"p{q}": round(float(np.percentile(ms, q)), 1) for q in (50, 95, 99)},
                "max": round(float(ms.max()), 1),
                "unseen": len(self._pending[store]),
            }
        return found
