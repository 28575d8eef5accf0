"""``python -m tests.chaos``: faults at random moments from a printed seed, then the proof."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from rich.console import Console

from headrace import stack
from headrace.endpoints import STATE_DIR, VARIABLES, Endpoints
from headrace.lag import LagReader
from headrace.stack import kafka as kafka_service
from headrace.stack.state import free_ports
from headrace.workers import Workers
from tests.chaos.disks import Disks
from tests.chaos.faults import FAULTS, SERVICES, Scene
from tests.chaos.proxy import Proxy
from tests.chaos.subjects import SUBJECTS, Plan, Proof, Subject
from tests.chaos.watch import Recovery, Watch

ROOT = Path(__file__).resolve().parents[2]
DRAIN_S = 300.0
RECOVERY_S = 60.0
#: Asked for: the session timeout and 5 s; and 3 s.
WORKER_S = 11.0
SINK_S = 3.0
Faults = list[dict[str, Any]]


def play(
    seed: int,
    faults: int,
    rate: float,
    workers: int,
    console: Console,
    chosen: Sequence[str] | None = None,
    subject: str = "shop",
) -> dict[str, Any]:
    """One run; returns the report. ``chosen`` names the faults instead of the seed's dice."""
    rng = random.Random(seed)
    home = Path(tempfile.mkdtemp(prefix="headrace-chaos-"))
    os.environ["HEADRACE_HOME"] = str(home)
    disks = Disks({name: home / name for name in SERVICES})
    make = partial(_made, subject, home, seed, faults, rate)
    try:
        with _scene(home, disks, rng, workers, make) as (scene, under):
            possible = _possible(scene, disks)
            watch = Watch(scene.where.kafka, scene.declared)
            done: Faults = []
            try:
                under.begin()
                scene.pause(5.0)
                for number in range(faults):
                    name = chosen[number] if chosen else _draw(rng, possible)
                    if name not in possible:
                        continue
                    done.append(_fault(name, scene, watch, rng))
                    console.print(f"{number + 1:4}/{faults}  {_told(done[-1])}")
                under.end(scene)
                _drain(scene)
            finally:
                watch.close()
                under.close()
                for group in (scene.workers, *scene.extra):
                    group.stop()
            proof = under.prove(scene, console)
    finally:
        disks.close()
    if proof.verified:
        shutil.rmtree(home)
    else:
        console.print(f"Logs and ledger are in {home}")
    return _report(seed, subject, done, proof)


def _possible(scene: Scene, disks: Disks) -> list[str]:
    """Without the right to mount no full disk; replays where agents write what can be replayed."""
    unable = {
        "disk full": not disks.available,
        "running replay": scene.root != ROOT,
    }
    return [name for name in FAULTS if not unable.get(name)]


def _made(
    subject: str, home: Path, seed: int, faults: int, rate: float, where: Endpoints
) -> Subject:
    return SUBJECTS[subject](Plan(home, where, seed, faults, rate))


@contextmanager
def _scene(
    home: Path,
    disks: Disks,
    rng: random.Random,
    workers: int,
    make: Callable[[Endpoints], Subject],
) -> Iterator[tuple[Scene, Subject]]:
    """The stack, with a proxy in front of each service that only workers go through."""
    proxies = {name: Proxy(("127.0.0.1", 0)) for name in SERVICES}
    through = free_ports(1)[0]
    listeners = _listeners(through, proxies["kafka"].port)
    with patch.object(kafka_service, "PROPERTIES", listeners), stack.running(ROOT) as where:
        proxies["kafka"].target = ("127.0.0.1", through)
        proxies["redis"].target = _host_port(where.redis)
        proxies["clickhouse"].target = _host_port(where.clickhouse)
        under = make(where)
        path = f"{ROOT}:{under.root}"
        env = _seen_by_workers(proxies) | {"PYTHONPATH": path}
        log = home / "workers.log"

        def group(count: int) -> Workers:
            return Workers(under.root, count, log_file=log, restarts_in_a_row=1_000_000, env=env)

        scene = Scene(
            root=under.root,
            home=home,
            declared=under.declared,
            where=where,
            workers=group(workers),
            proxies=proxies,
            disks=disks,
            rng=rng,
            more=lambda: group(1),
            points=under.points,
            path=path,
        )
        scene.workers.start()
        yield scene, under
    for proxy in proxies.values():
        proxy.close()


def _listeners(through: int, proxy: int) -> str:
    """Kafka's properties with one more listener, which sends its clients back to the proxy."""
    plain = kafka_service.PROPERTIES
    for name, port in (("listeners", through), ("advertised.listeners", proxy)):
        plain = plain.replace(
            f"\n{name}=PLAINTEXT", f"\n{name}=THROUGH://127.0.0.1:{port},PLAINTEXT"
        )
    plain = plain.replace("CONTROLLER:PLAINTEXT,", "CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT,")
    return plain + "inter.broker.listener.name=PLAINTEXT\n"


def _host_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _seen_by_workers(proxies: dict[str, Proxy]) -> dict[str, str]:
    where = Endpoints(
        kafka=f"127.0.0.1:{proxies['kafka'].port}",
        clickhouse=f"http://127.0.0.1:{proxies['clickhouse'].port}",
        redis=f"redis://127.0.0.1:{proxies['redis'].port}/0",
    )
    return {variable: getattr(where, name) for name, variable in VARIABLES.items()}


def _draw(rng: random.Random, names: Sequence[str]) -> str:
    return rng.choices(names, [FAULTS[name].weight for name in names])[0]


def _fault(name: str, scene: Scene, watch: Watch, rng: random.Random) -> dict[str, Any]:
    """Inject one. One in three is left alone until all is well; the others overlap."""
    began = time.monotonic()
    FAULTS[name].inject(scene)
    ended = time.monotonic()
    fault: dict[str, Any] = {"fault": name, "seconds": round(ended - began, 2), "recovery": None}
    if rng.random() > 1 / 3:
        scene.pause(0.2, 1.5)
        return fault
    topics = _topics(scene, FAULTS[name].sink)
    while (recovery := watch.recovered(ended, topics)) is None:
        if time.monotonic() - ended > RECOVERY_S:
            recovery = Recovery(RECOVERY_S, RECOVERY_S)
            break
        scene.pause(0.1)
    return fault | {"recovery": {"first": recovery.first, "every": recovery.every}}


def _topics(scene: Scene, sink: str | None) -> set[str]:
    """The topics that a sink takes; without one all that are read."""
    agents = list(scene.declared.agents.values())
    if sink == "redis":
        agents = [agent for agent in agents if agent.writes.keyspaces or agent.state]
    return {topic for agent in agents for topic in agent.reads}


def _told(fault: dict[str, Any]) -> str:
    recovery = fault["recovery"]
    text = "" if recovery is None else ", recovered in {first:.1f} to {every:.1f} s"
    return f"{fault['fault']} ({fault['seconds']:.1f} s{text.format(**recovery or {})})"


def _drain(scene: Scene) -> None:
    deadline = time.monotonic() + DRAIN_S
    tps = scene.declared.topic_partitions(sorted(_topics(scene, None)))
    with LagReader(scene.where.kafka, scene.declared.name, tps) as reader:
        while any(lag.behind for lag in reader.read().values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not drained after {DRAIN_S:.0f} s")
            scene.pause(0.5)


def _report(seed: int, subject: str, done: Faults, proof: Proof) -> dict[str, Any]:
    times: dict[str, dict[str, list[float]]] = {
        "first": defaultdict(list),
        "every": defaultdict(list),
    }
    for fault in done:
        for which, seconds in (fault["recovery"] or {}).items():
            times[which][fault["fault"]].append(seconds)
            times[which]["all"].append(seconds)
    return {
        "seed": seed,
        "subject": subject,
        "faults": len(done),
        "events": proof.events,
        "compared": proof.compared,
        "differing": proof.differing,
        "verified": proof.verified,
        "notes": proof.notes,
        "by_fault": dict(sorted(Counter(fault["fault"] for fault in done).items())),
        "figures": _figures(done),
        "recovery_seconds": {
            which: {name: _quantiles(found) for name, found in sorted(by.items())}
            for which, by in times.items()
        },
        "injected": done,
    }


def _figures(done: Faults) -> dict[str, Any]:
    """What was asked for, and how often it was kept."""
    asked = {
        f"a killed worker's partitions go on within {WORKER_S:.0f} s": (
            "every", WORKER_S, lambda name: FAULTS[name].worker
        ),
        f"a killed sink takes blocks again within {SINK_S:.0f} s": (
            "first", SINK_S, lambda name: FAULTS[name].sink
        ),
    }  # fmt: skip
    figures = {}
    for text, (which, limit, concerns) in asked.items():
        found = [f["recovery"][which] for f in done if f["recovery"] and concerns(f["fault"])]
        if found:
            kept = sum(seconds <= limit for seconds in found)
            figures[text] = {"kept": kept} | _quantiles(found)
    return figures


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[round(0.95 * (len(ordered) - 1))], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--rate", type=float, default=1_500.0, help="events per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--subject", choices=list(SUBJECTS), default="shop", help="what is tried")
    parser.add_argument("--only", help="comma-separated names of faults, instead of the dice")
    parser.add_argument("--json", type=Path, help="default: .headrace/chaos/<subject>-<seed>.json")
    args = parser.parse_args()
    console = Console(width=110)
    console.print(f"seed {args.seed}")
    chosen = args.only.split(",") if args.only else None
    count = len(chosen) if chosen else args.faults
    report = play(args.seed, count, args.rate, args.workers, console, chosen, args.subject)
    console.print_json(data={name: part for name, part in report.items() if name != "injected"})
    kept = args.json or ROOT / STATE_DIR / "chaos" / f"{args.subject}-{args.seed}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if report["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
