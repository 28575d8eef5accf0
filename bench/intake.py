"""Events over HTTP: ``python -m bench.intake``, on services and a ``headrace serve`` of its own.

Full bodies of an array of flag exposures, several requests at a time, as clients of one serving
process send them. Tells events a second by the wall and by the serving process's CPU, and what the
answer that is stored under an ``Idempotency-Key`` takes in Redis. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import redis

from bench.__main__ import services
from bench.process import ROOT
from headrace import topology
from headrace.cli.apply import apply_all
from headrace.cli.demo.serving import serving
from headrace.endpoints import Endpoints
from headrace.serve.intake.body import MAX_EVENTS

TOPIC = "platform.flags"
START_MS = 1_790_000_000_000
USERS = 5_000
TIMEOUT_S = 60.0


def body(number: int, events: int) -> bytes:
    """The ``number``-th request's events: nine fields each, all ids different."""
    first = number * events
    return orjson.dumps(
        [
            {
                "event_id": f"{one:026}",
                "occurred_at": START_MS + one,
                "producer": "bench",
                "schema_version": 1,
                "user_id": f"u{one % USERS}",
                "region": "eu_west",
                "flag": f"flag-{one % 20}",
                "variant": "on" if one % 2 else "off",
                "reason": "split",
            }
            for one in range(first, first + events)
        ]
    )


def load(url: str, pid: int, bodies: list[bytes], at_a_time: int) -> dict[str, Any]:
    """Send the bodies, the first one beforehand: a topic's first event opens what it needs."""
    process = psutil.Process(pid)

    def cpu() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:

        def send(one: bytes) -> int:
            response = client.post(f"/v1/events/{TOPIC}", content=one)
            response.raise_for_status()
            return int(response.json()["accepted"])

        send(bodies[0])
        began, used = time.perf_counter(), cpu()
        with ThreadPoolExecutor(at_a_time) as pool:
            stored = sum(pool.map(send, bodies[1:]))
        seconds, busy = time.perf_counter() - began, cpu() - used
    return {
        "events": stored,
        "body_bytes": len(bodies[0]),
        "requests_at_a_time": at_a_time,
        "events_per_second": round(stored / seconds),
        "events_per_cpu_second": round(stored / busy),
    }


def kept(url: str, where: Endpoints, prefix: str, one: bytes) -> dict[str, int]:
    """Bytes of a full body's answer under a key, as it is sent and as Redis holds it."""
    response = httpx.post(
        f"{url}/v1/events/{TOPIC}",
        content=one,
        headers={"Idempotency-Key": "bench"},
        timeout=TIMEOUT_S,
    )
    response.raise_for_status()
    client = redis.Redis.from_url(where.redis)
    try:
        (name,) = client.scan_iter(match=f"{prefix}:intake:*")
        return {"answer_bytes": len(response.content), "bytes_in_redis": client.strlen(name)}
    finally:
        client.close()


def runs(events: int, count: int, repeat: int) -> Iterator[list[bytes]]:
    """The bodies of each run: ``count`` and one to begin with."""
    for run in range(repeat):
        yield [body(run * (count + 1) + number, events) for number in range(count + 1)]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All of it, in a project of its own."""
    found: dict[str, Any] = {"runs": []}
    with services() as where, tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "schemas", root / "schemas")
        shutil.copy(ROOT / "topology.yaml", root / "topology.yaml")
        declared = topology.load(root)
        apply_all(root, declared, where)
        with serving(root, root / "serve.log") as server:
            for bodies in runs(args.events, args.requests, args.repeat):
                found["runs"].append(load(server.address, server.pid, bodies, args.at_a_time))
            one = body(args.repeat * (args.requests + 1), args.events)
            found["kept"] = kept(server.address, where, declared.redis.prefix, one)
    return found


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=MAX_EVENTS, help="of a request")
    parser.add_argument("--requests", type=int, default=30, help="of a run")
    parser.add_argument("--at-a-time", type=int, default=4, help="requests")
    parser.add_argument("--repeat", type=int, default=3, help="runs")
    found = measure(parser.parse_args())
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
