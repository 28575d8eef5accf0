"""What reads take beside the intake, all on this machine: ``python -m bench.serving``.

Starts services, a worker, ``headrace serve`` and ``headrace load``. Reads features of
Zipf-distributed users and series of metrics at a fixed rate, and as fast as it goes; then 1 and 500
viewers poll the same panels each second. Then the same reads without intake, and the dashboard's
questions to the views beside the raw table. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import numpy as np
import orjson
import psutil
import redis
import uvloop

from bench import raw, shop
from bench.load import Connections, closed_loop, open_loop
from bench.others import share_of_others
from bench.shop import Shop

ZIPF = 1.1
VIEWERS = (1, 500)
CONNECTIONS = 64
CALLERS = 16
METRICS = ("revenue", "orders", "requests", "latency")
WARM_S = 20.0


def people(running: Shop) -> list[str]:
    """Ids that have features."""
    client = redis.Redis.from_url(running.where.redis, decode_responses=True)
    try:
        keys = client.scan_iter(match=f"{running.declared.redis.prefix}:{{*}}:user:*", count=5_000)
        parts = [key.partition("}:user:")[2] for key in keys]
    finally:
        client.close()
    return sorted({one for one in parts if ":" not in one})


def features(ids: list[str], count: int, seed: int = 1) -> list[str]:
    """Paths of ``count`` reads, few people often: by a Zipf law."""
    ranks = np.random.default_rng(seed).zipf(ZIPF, count)
    return [f"/v1/features/{quote(ids[(rank - 1) % len(ids)])}" for rank in ranks.tolist()]


def series(count: int) -> list[str]:
    """Paths of the series that a dashboard asks for, in turn."""
    paths = [f"/v1/metrics/{name}/series?last=15m" for name in METRICS]
    return [paths[number % len(paths)] for number in range(count)]


def cached(port: int) -> dict[str, float]:
    """The serving process's own counters of its cache."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: next(float(one.split()[1]) for one in lines if one.startswith(f"{counter} "))
        for name, counter in (
            ("hits", "headrace_cache_hits_total"), ("misses", "headrace_cache_misses_total"),
        )
    }  # fmt: skip


def held(running: Shop) -> dict[str, int]:
    """Connections that the serving process has to the stores."""
    where = running.where
    ports = {"clickhouse": urlsplit(where.clickhouse).port, "redis": urlsplit(where.redis).port}
    serve = psutil.Process(running.serve)
    remote = [c.raddr.port for c in serve.net_connections("tcp") if c.raddr]
    return {name: sum(one == port for one in remote) for name, port in ports.items()}


async def reads(running: Shop, rate: float, seconds: float) -> dict[str, Any]:
    """Features and series: latencies at the rate, and the rate that is reached."""
    count = int(rate * seconds)
    asked = {"features": features(people(running), count), "series": series(count)}
    found: dict[str, Any] = {}
    to = Connections("127.0.0.1", running.port, CONNECTIONS, None)
    await to.open()
    try:
        with share_of_others(found):
            for name, paths in asked.items():
                before, began = _cpu(running), time.monotonic()
                at_rate = (await open_loop(paths, rate, to)).summary()
                cpus = (_cpu(running) - before) / (time.monotonic() - began)
                most = await closed_loop(paths, CALLERS, seconds / 2, to)
                found[name] = {
                    **at_rate, "cpus_of_serve": round(cpus, 2), "most_requests_per_s": round(most),
                }  # fmt: skip
    finally:
        await to.close()
    return found


async def viewers(running: Shop, number: int, seconds: int) -> dict[str, Any]:
    """``number`` viewers, each of a connection of its own, who ask for a panel each second."""
    to = Connections("127.0.0.1", running.port, number, None)
    await to.open()
    before = cached(running.port)
    try:
        asking = asyncio.create_task(open_loop(series(number * seconds), float(number), to))
        await asyncio.sleep(seconds / 2)
        connections = held(running)
        figures = await asking
    finally:
        await to.close()
    after = cached(running.port)
    hits, misses = (after[name] - before[name] for name in ("hits", "misses"))
    return {
        **figures.summary(), "from_cache": round(hits / (hits + misses), 4),
        "connections": connections,
    }  # fmt: skip


def _cpu(running: Shop) -> float:
    times = psutil.Process(running.serve).cpu_times()
    return float(times.user + times.system)


async def beside(running: Shop, rate: float, seconds: int) -> dict[str, Any]:
    """All reads while events come in, and how many came in meanwhile."""
    await asyncio.sleep(WARM_S)
    end, applied, began = running.log()
    found = await reads(running, rate, seconds)
    for number in VIEWERS:
        found[f"viewers_{number}"] = await viewers(running, number, seconds)
    last_end, last_applied, now = running.log()
    found["intake"] = {
        "sent_per_s": round((last_end - end) / (now - began)),
        "applied_per_s": round((last_applied - applied) / (now - began)),
    }
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything."""
    found: dict[str, Any] = {
        "cpus": os.cpu_count(), "rate": args.rate, "seconds": args.seconds, "intake": args.intake,
    }  # fmt: skip

    def keep(part: str, figures: dict[str, Any]) -> None:
        found[part] = figures
        shown = orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n"
        if args.json:
            args.json.write_bytes(shown)
        print(part, orjson.dumps(figures).decode(), flush=True)

    with shop.running() as running:
        for intake in args.intake:
            with running.intake(intake):
                keep(f"beside_{intake:.0f}", uvloop.run(beside(running, args.rate, args.seconds)))
            running.drained()
        keep("alone", uvloop.run(reads(running, args.rate, args.seconds)))
        if args.raw:
            keep("raw", raw.measure(running.where, running.declared, args.raw))
    return found


def main() -> None:
    """Parse arguments, measure, print, and write JSON if asked, after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intake", type=float, nargs="+", default=[50_000.0], help="events/s")
    parser.add_argument("--rate", type=float, default=1_000.0, help="requests/s")
    parser.add_argument("--seconds", type=int, default=30, help="of each measurement")
    parser.add_argument("--raw", type=int, default=0, help="rows of the raw table; 0: left out")
    parser.add_argument("--json", type=Path)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
