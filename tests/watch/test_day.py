"""Simulated days through Kafka, the workers and ClickHouse to the topic of alerts and a webhook."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from confluent_kafka import Producer

import loadgen
import loadgen.verify
from bench import anomalies as figure
from headrace import stack as services
from headrace import topology
from headrace.anomaly.watcher import Watcher
from headrace.cli.apply import apply_all
from headrace.clock import ManualClock
from headrace.endpoints import Endpoints
from headrace.errors import Fenced, Transient
from headrace.security.secret import Secret
from headrace.serve.context import Context
from headrace.serve.queries import Views
from headrace.watch import run
from headrace.watch.minutes import MinuteReader
from headrace.watch.post import signature
from headrace.watch.process import BATCH
from headrace.watch.progress import MINUTE_MS, ByPositions
from headrace.watch.run import Runner
from headrace.watch.settings import Target
from headrace.watch.store import Saved, StateStore
from headrace.watch.topic import AlertsTopic, Records
from headrace.workers import Workers
from loadgen.incidents import plan
from tests.watch.receiver import HANG_UP, receiving

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 1_440 * MINUTE_MS
KEY = "a key for signatures"
CONFIG = loadgen.resolve(
    loadgen.days(
        loadgen.LoadConfig(events=300_000, seed=7, start_ms=figure.START_MS, incidents=6), 3
    ),
    figure.START_MS,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Endpoints]]:
    """A project whose views have three days, the last one with incidents."""
    root = tmp_path_factory.mktemp("days")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    text = (ROOT / "topology.yaml").read_text()
    few = text.replace(", group: ", ", smooth_minutes: 60, group: ")  # one order a minute
    (root / "topology.yaml").write_text(few)
    declared = topology.load(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(root / ".headrace"))
        patch.setenv("PYTHONPATH", str(ROOT))
        with services.running(root) as where:
            apply_all(root, declared, where)
            summary = loadgen.run(CONFIG, where, declared, None)
            assert [i["kind"] for i in summary.incidents] == [i.kind for i in plan(CONFIG)]
            workers = Workers(root, 1, log_file=root / "worker.log")
            workers.start()
            try:
                drain(where, declared)
            finally:
                workers.stop()
            yield root, where


def drain(where: Endpoints, declared: topology.Topology) -> None:
    deadline = time.monotonic() + 120
    while any(lag.behind for lag in loadgen.verify.lags(where, declared).values()):
        assert time.monotonic() < deadline, "the pipeline did not drain"
        time.sleep(0.1)


async def expected(root: Path) -> list[dict[str, Any]]:
    """The events of a watcher that nothing interrupts."""
    declared = topology.load(root)
    views = Views(Context(root, declared))
    reader, watcher = MinuteReader(declared, views), Watcher(declared)
    try:
        span = await reader.span()
        assert span is not None
        last = span[1] - 1 - declared.anomalies.lateness_minutes
        events = []
        for first in range(span[0], last + 1, BATCH):
            until = min(first + BATCH - 1, last)
            values = await reader.read(first, until)
            for minute in range(first, until + 1):
                events += watcher.judge(minute, values.get(minute, {}))
        return events
    finally:
        await views.close()


def series(event: dict[str, Any]) -> list[tuple[str, dict[str, str], float]]:
    return [(s["watch"], s["labels"], s["change"]) for s in event["series"]]


def failing(
    patch: pytest.MonkeyPatch, before: Callable[[int], bool], after: Callable[[int], bool]
) -> None:
    """Let sending fail by the number of the call: before anything was sent, or only the answer."""
    real, calls = AlertsTopic.send, iter(range(1_000))

    def send(self: AlertsTopic, events: Any) -> None:
        call = next(calls)
        if before(call):
            raise Transient("crashed before")
        real(self, events)
        if after(call):
            raise Transient("crashed after")

    patch.setattr(AlertsTopic, "send", send)


def test_incidents_become_alerts_once_each_whatever_fails_on_the_way(
    project: tuple[Path, Endpoints], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, where = project
    declared = topology.load(root)
    failing(monkeypatch, before=lambda n: n in (0, 2), after=lambda n: n in (1, 3))
    # Refused for now, hung up, taken, throttled, ...
    with receiving(503, HANG_UP, 204, 429) as receiver:
        target = Target(Secret(receiver.url), Secret(KEY))

        def runner() -> Runner:
            return Runner(root, target, lambda _: None, event_time=True, from_beginning=True)

        for _ in range(4):
            with pytest.raises(Transient, match="crashed"):
                asyncio.run(runner().once())
        asyncio.run(runner().once())

        topic = AlertsTopic(declared, Records(root, declared), where.kafka)
        told = topic.read(0)
        topic.close()
        wanted = asyncio.run(expected(root))
        assert [e["event_id"] for e in told] == [e["event_id"] for e in wanted]
        assert [series(e) for e in told] == [series(e) for e in wanted]

        async def until_told() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(runner().run(stop))
            await asyncio.to_thread(receiver.wait, len(told))
            stop.set()
            await running

        asyncio.run(until_told())
        ids = [got.headers["Idempotency-Key"] for got in receiver.took]
        assert sorted(set(ids)) == sorted(e["event_id"] for e in told)
        for got in receiver.got:
            stamp = got.headers["Headrace-Timestamp"]
            assert got.headers["Headrace-Signature"] == signature(KEY.encode(), stamp, got.body)
        assert [orjson.loads(got.body) for got in receiver.took[-3:]] == told[-3:]

    opened = [e for e in wanted if e["state"] == "opened"]
    found = figure.judged(plan(CONFIG), opened)
    assert found["found"] >= 3, found
    assert found["false"] <= 1, found


def test_who_opens_takes_over_and_the_one_before_can_write_nothing(
    project: tuple[Path, Endpoints],
) -> None:
    root, where = project
    declared = topology.load(root)
    records = Records(root, declared)

    async def both() -> None:
        first, second = (StateStore(where.redis, "fencing") for _ in range(2))
        assert await first.open() is None
        await first.save(Saved(b"one", [{"event_id": "a"}], 7))
        assert await second.open() == Saved(b"one", [{"event_id": "a"}], 7)
        with pytest.raises(Fenced, match="another process watches"):
            await first.save(Saved(b"two", [], 0))
        await second.save(Saved(b"three", [], 0))
        await first.close()
        await second.close()

    asyncio.run(both())
    topics = [AlertsTopic(declared, records, where.kafka) for _ in range(3)]
    for topic in topics[:2]:
        topic.open()
    event = {
        **dict.fromkeys(("event_id", "alert_id", "group", "owner", "severity"), "x"),
        **dict.fromkeys(("started_at", "judged_at", "silenced"), 1),
        "state": "opened",
        "series": [],
    }
    before = topics[1].end()
    with pytest.raises(Fenced, match="another process writes"):
        topics[0].send([event])
    topics[1].send([event])
    topics[2].open()  # waits until what was committed can be read
    assert topics[2].sent_after(before) == {"x"}
    for topic in topics:
        topic.close()


async def test_by_the_clock_the_loop_waits_for_the_workers_and_goes_on_by_itself(
    project: tuple[Path, Endpoints], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes are judged as they pass; those after a record that no worker has applied are not."""
    root, where = project
    shutil.copytree(root / "schemas", tmp_path / "schemas")
    text = (root / "topology.yaml").read_text()
    (tmp_path / "topology.yaml").write_text(text.replace("prefix: hr", "prefix: live"))
    declared = topology.load(tmp_path)
    lateness = declared.anomalies.lateness_minutes
    clock = ManualClock(CONFIG.start_ms + 3 * DAY_MS)
    looks: list[int | None] = []
    real = ByPositions.complete

    def counted(self: ByPositions, newest: int | None) -> int | None:
        looks.append(real(self, newest))
        return looks[-1]

    monkeypatch.setattr(ByPositions, "complete", counted)
    monkeypatch.setattr(run, "SystemClock", lambda: clock)
    monkeypatch.setattr(run, "PERIOD_S", 0.05)
    store = redis.Redis.from_url(where.redis)

    def judged() -> int | None:
        state, watcher = store.hget(f"{declared.redis.prefix}:watch", "state"), Watcher(declared)
        if state is not None:
            watcher.load(state)
        return watcher.minute

    def complete() -> int:
        return clock.now_ms() // MINUTE_MS - lateness - 1

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)

    stop = asyncio.Event()
    runner = Runner(tmp_path, None, lambda _: None, event_time=False, from_beginning=False)
    running = asyncio.create_task(runner.run(stop))
    try:
        await until(lambda: judged() == complete())
        clock.advance(120)
        await until(lambda: judged() == complete())

        producer = Producer({"bootstrap.servers": where.kafka})
        producer.produce("shop.orders", b"no event")
        assert producer.flush(20) == 0
        before, looked = judged(), len(looks)
        clock.advance(300)
        await until(lambda: len(looks) > looked + 10)
        assert judged() == before
        workers = Workers(root, 1, log_file=root / "worker.log")
        workers.start()
        try:
            await until(lambda: judged() == complete())
        finally:
            await asyncio.to_thread(workers.stop)
    finally:
        stop.set()
        await running
        store.close()
