"""The faults, a table: each takes the running scene and breaks something of it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from headrace import stack
from headrace.delivery.crash import POINTS, VARIABLE
from headrace.workers import Workers


class Scene:
    """What there is to break."""

    def __init__(self, root: Path, workers: Workers, rng: random.Random, pause: Callable) -> None:
        self.root, self.workers, self.rng, self.pause = root, workers, rng, pause

    def pid_of(self, service: str) -> int:
        return next(s.pid for s in stack.status(self.root) if s.name == service)

    def kill_service(self, *names: str) -> None:
        for name in names:
            os.kill(self.pid_of(name), signal.SIGKILL)
        self.pause(self.rng.uniform(0.2, 2.0))
        stack.up(self.root, own=True)


def kill_worker(scene: Scene) -> None:
    """kill -9 of a worker at a random time."""
    os.kill(scene.rng.choice(scene.workers.pids), signal.SIGKILL)


def kill_all_workers(scene: Scene) -> None:
    """kill -9 of all workers at once."""
    for pid in scene.workers.pids:
        os.kill(pid, signal.SIGKILL)


def crash_point(scene: Scene) -> None:
    """The next worker that starts dies in a named step of the protocol; one is killed for it."""
    point = scene.rng.choice([p for p in POINTS if p != "dead_lettered"])
    scene.workers.env_once = {VARIABLE: f"{point}:{scene.rng.randint(1, 30)}"}
    kill_worker(scene)


def zombie(scene: Scene) -> None:
    """SIGSTOP of a worker for longer than its session, then SIGCONT."""
    pid = scene.rng.choice(scene.workers.pids)
    os.kill(pid, signal.SIGSTOP)
    scene.pause(scene.rng.uniform(7.0, 10.0))
    os.kill(pid, signal.SIGCONT)


def short_pause(scene: Scene) -> None:
    """SIGSTOP of a worker for less than its session."""
    pid = scene.rng.choice(scene.workers.pids)
    os.kill(pid, signal.SIGSTOP)
    scene.pause(scene.rng.uniform(0.5, 4.0))
    os.kill(pid, signal.SIGCONT)


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
    scene.kill_service("redis", "clickhouse", "kafka")


FAULTS: dict[str, tuple[Callable[[Scene], None], int]] = {
    "kill worker": (kill_worker, 6),
    "kill all workers": (kill_all_workers, 2),
    "crash point": (crash_point, 6),
    "zombie": (zombie, 2),
    "short pause": (short_pause, 2),
    "kill redis": (kill_redis, 3),
    "kill clickhouse": (kill_clickhouse, 3),
    "kill kafka": (kill_kafka, 1),
    "kill everything": (kill_everything, 1),
}
