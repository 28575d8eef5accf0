"""The faults, a table: each takes the running scene and breaks something of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import redis
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from headrace import stack
from headrace.delivery.crash import VARIABLE
from headrace.endpoints import Endpoints
from headrace.errors import Terminal
from headrace.topology import Topology
from headrace.workers import Workers
from tests.chaos.disks import Disks
from tests.chaos.proxy import Proxy
from tests.chaos.replays import replay_killed

SERVICES = ("kafka", "redis", "clickhouse")
CLOCK = Path(__file__).parent / "clock"
PATIENCE_S = 60.0


@dataclass
class Scene:
    """What there is to break."""

    root: Path
    home: Path
    declared: Topology
    where: Endpoints
    workers: Workers
    proxies: Mapping[str, Proxy]
    disks: Disks
    rng: random.Random
    more: Callable[[], Workers]
    points: Sequence[str]
    path: str  # PYTHONPATH of workers
    extra: list[Workers] = field(default_factory=list)

    def pause(self, low: float, high: float | None = None) -> None:
        """Let time pass (s, at random between the two) with workers looked after."""
        seconds = low if high is None else self.rng.uniform(low, high)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(0.05)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, workers not looked after."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise Terminal(f"chaos: waited {PATIENCE_S:.0f} s for {what}")
            time.sleep(0.1)

    def restarted(self) -> list[int]:
        """Start killed workers again; returns the pids of all."""
        self.check()
        return self.workers.pids

    def check(self) -> None:
        """Start killed workers again."""
        for group in (self.workers, *self.extra):
            group.check()

    def a_worker(self) -> int:
        """Some worker's pid."""
        return self.rng.choice(self.workers.pids)

    def pid_of(self, service: str) -> int:
        """The pid of a service that runs."""
        found = next(s.pid for s in stack.status(self.root) if s.name == service)
        assert found is not None, f"{service} does not run"
        return found

    def up(self) -> None:
        """Start what is down. Every service must come back where the proxies look for it."""
        if stack.up(self.root, own=True) != self.where:
            raise Terminal("chaos: a service came back on another port")

    def kill(self, service: str) -> None:
        """kill -9 of a service; returns when its process is gone and its port free."""
        pid = self.pid_of(service)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def kill_service(self, *names: str) -> None:
        """kill -9, some time without it, and up again."""
        for name in names:
            self.kill(name)
        self.pause(0.2, 2.0)
        self.up()


def kill_worker(scene: Scene) -> None:
    """kill -9 of a worker at a random time."""
    os.kill(scene.a_worker(), signal.SIGKILL)


def kill_all_workers(scene: Scene) -> None:
    """kill -9 of all workers at once."""
    for pid in scene.workers.pids:
        os.kill(pid, signal.SIGKILL)


def crash_point(scene: Scene) -> None:
    """The next worker that starts dies in a named step of the protocol; one is killed for it."""
    point = scene.rng.choice(scene.points)
    before = set(scene.workers.pids)
    scene.workers.env_once = {VARIABLE: f"{point}:{scene.rng.randint(1, 15)}"}
    kill_worker(scene)
    scene.until(lambda: not before.issuperset(scene.restarted()), "a worker to be started again")
    doomed = set(scene.workers.pids) - before
    scene.until(lambda: not doomed.issubset(scene.workers.pids), f"a worker to die when {point}")


def zombie(scene: Scene) -> None:
    """SIGSTOP of a worker for longer than its session, then SIGCONT."""
    pid = scene.a_worker()
    os.kill(pid, signal.SIGSTOP)
    scene.pause(7.0, 9.0)
    os.kill(pid, signal.SIGCONT)


def short_pause(scene: Scene) -> None:
    """SIGSTOP of a worker for less than its session."""
    pid = scene.a_worker()
    os.kill(pid, signal.SIGSTOP)
    scene.pause(0.5, 4.0)
    os.kill(pid, signal.SIGCONT)


def more_workers(scene: Scene) -> None:
    """A worker joins the group, or the one that joined leaves it in order."""
    if scene.extra:
        scene.extra.pop().stop()
    else:
        group = scene.more()
        group.start()
        scene.extra.append(group)


def shifted_clock(scene: Scene) -> None:
    """A worker is killed; the one in its place has a clock an hour or a day off."""
    shift = scene.rng.choice([-86_400, -3_600, 3_600, 86_400])
    scene.workers.env_once = {
        "HEADRACE_CHAOS_CLOCK_S": str(shift),
        "PYTHONPATH": f"{CLOCK}:{scene.path}",
    }
    kill_worker(scene)


def kill_redis(scene: Scene) -> None:
    """kill -9 of Redis, and up again."""
    scene.kill_service("redis")


def kill_clickhouse(scene: Scene) -> None:
    """kill -9 of ClickHouse, and up again."""
    scene.kill_service("clickhouse")


def kill_kafka(scene: Scene) -> None:
    """kill -9 of Kafka, and up again."""
    scene.kill_service("kafka")


def kill_everything(scene: Scene) -> None:
    """kill -9 of all services and all workers at once."""
    kill_all_workers(scene)
    scene.kill_service(*SERVICES)


def redis_loses_its_tail(scene: Scene) -> None:
    """Redis is killed and comes back without the last second of its append-only file."""
    client = redis.Redis.from_url(scene.where.redis)
    client.config_set("auto-aof-rewrite-percentage", 0)  # the file stays the same meanwhile

    def quiet() -> bool:
        found = client.info("persistence")
        return not (found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])

    scene.until(quiet, "Redis to have rewritten its file")
    client.close()
    # Redis 7 keeps a folder of files, of which the newest *.incr.aof is written to.
    files = sorted((scene.home / "redis").glob("**/*.aof"), key=lambda f: f.stat().st_mtime_ns)
    size = files[-1].stat().st_size
    scene.pause(1.0)
    scene.kill("redis")
    with files[-1].open("r+b") as file:
        file.truncate(size)
    scene.up()


def offsets_deleted(scene: Scene) -> None:
    """All workers die, and the group's offsets are deleted before new ones come."""
    kill_all_workers(scene)
    for group in scene.extra:
        for pid in group.pids:
            os.kill(pid, signal.SIGKILL)
    admin = AdminClient({"bootstrap.servers": scene.where.kafka})
    name = scene.declared.name

    def empty() -> bool:
        found: Any = admin.describe_consumer_groups([name])[name].result(30)
        return bool(found.state in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD))

    scene.until(empty, "the group to be empty")
    try:
        admin.delete_consumer_groups([name])[name].result(30)
    except KafkaException as error:
        if error.args[0].name() != "GROUP_ID_NOT_FOUND":
            raise


def resets(scene: Scene) -> None:
    """Every connection to one service is reset, several times."""
    proxy = scene.proxies[scene.rng.choice(SERVICES)]
    for _ in range(scene.rng.randint(1, 5)):
        proxy.reset()
        scene.pause(0.05, 0.4)


def latency(scene: Scene) -> None:
    """One service answers late for some seconds."""
    proxy = scene.proxies[scene.rng.choice(SERVICES)]
    proxy.latency(scene.rng.uniform(0.02, 0.5))
    scene.pause(1.0, 4.0)
    proxy.latency(0)


def black_hole(scene: Scene) -> None:
    """Nothing gets through to one service for some seconds."""
    proxy = scene.proxies[scene.rng.choice(SERVICES)]
    proxy.black_hole(True)
    scene.pause(1.0, 9.0)
    proxy.black_hole(False)


def lost_answers(scene: Scene) -> None:
    """A sink applies what it is sent, and its answers do not arrive."""
    proxy = scene.proxies[scene.rng.choice(["redis", "clickhouse"])]
    lost = proxy.lost
    proxy.lose_answers(scene.rng.randint(1, 10))
    scene.pause(1.0, 2.0)
    proxy.lose_answers(0)
    if proxy.lost == lost:
        scene.pause(1.0)


def too_many_parts(scene: Scene) -> None:
    """ClickHouse refuses every insert with TOO_MANY_PARTS for some seconds."""
    refuse = {"parts_to_throw_insert": 1, "parts_to_delay_insert": 1, "max_delay_to_insert": 1}
    _with_settings(scene, refuse)


def _with_settings(scene: Scene, settings: Mapping[str, int]) -> None:
    """Let some of the tables have these settings for some seconds."""
    client = clickhouse_connect.get_client(dsn=scene.where.clickhouse)
    config = scene.declared.clickhouse
    chosen = [t for t in config.tables if scene.rng.random() < 0.5] or list(config.tables)
    changed = ", ".join(f"{name} = {value}" for name, value in settings.items())
    for table in chosen:
        client.command(f"ALTER TABLE {config.database}.{table} MODIFY SETTING {changed}")
    scene.pause(1.0, 4.0)
    for table in chosen:
        client.command(f"ALTER TABLE {config.database}.{table} RESET SETTING {', '.join(settings)}")
    client.close()


def read_only(scene: Scene) -> None:
    """Tables of ClickHouse are read-only for some seconds."""
    _with_settings(scene, {"table_readonly": 1})


def disk_full(scene: Scene) -> None:
    """The disk of one service has not one byte left for some seconds.

    Not ClickHouse's: a merge that a full disk cuts short loses data by itself, without any part of
    this pipeline (docs/reliability.md).
    """
    name = scene.rng.choice(["kafka", "redis"])
    scene.disks.fill(name)
    scene.pause(1.0, 4.0)
    scene.disks.free(name)
    scene.pause(0.5)
    scene.up()  # Kafka halts when its log folder fails


def running_replay(scene: Scene) -> None:
    """A view is replayed and the replay killed; workers meet it, and may be killed, too."""
    if scene.rng.random() < 0.5:
        kill_worker(scene)
    view = scene.rng.choice(list(scene.declared.clickhouse.views))
    replay_killed(scene.home, view, scene.rng, scene.check)


@dataclass(frozen=True, slots=True)
class Fault:
    """How to inject one, how often (a weight), and what it takes away: a worker, or a sink."""

    inject: Callable[[Scene], None]
    weight: int
    worker: bool = False
    sink: str | None = None


FAULTS: dict[str, Fault] = {
    "kill worker": Fault(kill_worker, 10, worker=True),
    "kill all workers": Fault(kill_all_workers, 3, worker=True),
    "crash point": Fault(crash_point, 14, worker=True),
    "zombie": Fault(zombie, 4),
    "short pause": Fault(short_pause, 4),
    "more or fewer workers": Fault(more_workers, 6),
    "shifted clock": Fault(shifted_clock, 3, worker=True),
    "kill redis": Fault(kill_redis, 5, sink="redis"),
    "kill clickhouse": Fault(kill_clickhouse, 6, sink="clickhouse"),
    "kill kafka": Fault(kill_kafka, 3),
    "kill everything": Fault(kill_everything, 3),
    "redis loses its tail": Fault(redis_loses_its_tail, 5, sink="redis"),
    "offsets deleted": Fault(offsets_deleted, 3),
    "resets": Fault(resets, 6),
    "latency": Fault(latency, 4),
    "black hole": Fault(black_hole, 5),
    "lost answers": Fault(lost_answers, 8),
    "too many parts": Fault(too_many_parts, 4),
    "read only": Fault(read_only, 3),
    "disk full": Fault(disk_full, 4),
    "running replay": Fault(running_replay, 5),
}
