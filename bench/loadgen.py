"""How many records a CPU-second makes, with and without ledger, and with a broker.

    python -m bench.loadgen [--events 2000000] [--kafka HOST:PORT] [--rate 100000] [--json]

CPU seconds are those of the whole process, all its threads, from building the population to the
last acknowledgement and the written ledger; imports are left out. With ``--kafka`` it creates
topics of its own there and deletes them.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from headrace import topology
from headrace.endpoints import Endpoints
from headrace.topology import Topology
from loadgen import LoadConfig, Summary, generate, run
from loadgen.ledger import Ledger
from loadgen.wiring import ROOT, project
from loadgen.world import World

START_MS = 1_772_366_390_000


def made(config: LoadConfig) -> int:
    """Generate and encode only."""
    return sum(len(chunk) for chunk in generate(config, project()))


def kept(config: LoadConfig) -> int:
    """Generate, encode and keep the ledger, written at the end."""
    wiring, world = project(), World(config)
    ledger = Ledger(world, wiring)
    records = 0
    for chunk in generate(config, wiring, world):
        ledger.add(chunk)
        records += len(chunk)
    with tempfile.TemporaryDirectory() as folder:
        ledger.write(Path(folder) / "ledger", {})
    return records


@contextmanager
def topics(kafka: str) -> Iterator[Topology]:
    """The project's topology with topics of its own on this broker."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    declared = topology.load(ROOT)
    own = {prefix + name: topic for name, topic in declared.topics.items()}
    declared = declared.model_copy(update={"topics": own})
    admin = AdminClient({"bootstrap.servers": kafka})
    wanted = [NewTopic(name, declared.partitions(name), 1) for name in own]
    for created in admin.create_topics(wanted).values():
        created.result(30)
    try:
        yield declared
    finally:
        for deleted in admin.delete_topics(list(own)).values():
            deleted.result(30)


def sent(config: LoadConfig, kafka: str) -> Summary:
    """A whole run, as the command does it."""
    with topics(kafka) as declared, tempfile.TemporaryDirectory() as folder:
        return run(config, Endpoints(kafka, "", ""), declared, Path(folder) / "ledger")


def _timed(name: str, action: Callable[[], int | Summary]) -> dict[str, object]:
    cpu, wall = time.process_time(), time.perf_counter()
    outcome = action()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    records = outcome.records if isinstance(outcome, Summary) else outcome
    line: dict[str, object] = {
        "what": name,
        "records": records,
        "per_cpu_second": round(records / cpu),
        "per_second": round(records / wall),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if isinstance(outcome, Summary):
        line["per_second"] = round(outcome.achieved_rate)
        line["max_lag_ms"] = outcome.max_lag_ms
    return line


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--kafka", help="address of a broker to send to")
    parser.add_argument("--rate", type=float, default=100_000.0, help="of the paced run")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    config = LoadConfig(events=asked.events, start_ms=START_MS, event_rate=10_000.0)
    lines = [
        _timed("generate and encode", lambda: made(config)),
        _timed("the same and the ledger", lambda: kept(config)),
    ]
    if asked.kafka:
        paced = config.model_copy(update={"rate": asked.rate})
        lines += [
            _timed("the same to a broker", lambda: sent(config, asked.kafka)),
            _timed(f"the same at {asked.rate:,.0f}/s", lambda: sent(paced, asked.kafka)),
        ]
    if asked.json:
        print(json.dumps(lines, indent=2))
        return
    for line in lines:
        print("  ".join(f"{key} {value}" for key, value in line.items()))


if __name__ == "__main__":
    main()
