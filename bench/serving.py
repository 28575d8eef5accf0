"""Load on a running ``headrace serve``: ``python -m bench.serving --url http://127.0.0.1:8081``.

Reads features of Zipf-distributed users and series of metrics, at a fixed rate, while events may
come in; then 1 and 500 viewers that poll the same panels each second. Prints one JSON document.
The services' addresses are those of the environment, for counting connections.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import orjson
import psutil
import redis

from bench.load import Connections, Figures, open_loop
from headrace import endpoints, topology

ZIPF = 1.1
RATE = 1_000.0
SECONDS = 30
VIEWERS = (1, 500)
CONNECTIONS = 64
METRICS = ("revenue", "orders", "requests", "latency")


def people(where: endpoints.Endpoints, prefix: str) -> list[str]:
    """Ids that have features."""
    client = redis.Redis.from_url(where.redis, decode_responses=True)
    try:
        keys = client.scan_iter(match=f"{prefix}:{{*}}:user:*", count=5_000)
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


async def reads(to: Connections, paths: list[str], rate: float) -> dict[str, object]:
    """One open loop over the paths."""
    figures: Figures = await open_loop(paths, rate, to)
    return figures.summary(len(paths) / rate)


async def viewers(host: str, port: int, token: str | None, number: int, seconds: int) -> Figures:
    """``number`` viewers, each of a connection of its own, who ask for a panel each second."""
    to = Connections(host, port, number, token)
    await to.open()
    try:
        return await open_loop(series(number * seconds), float(number), to)
    finally:
        await to.close()


def held(pid: int, where: endpoints.Endpoints) -> dict[str, int]:
    """Connections that the serving process has to the stores."""
    ports = {"clickhouse": urlsplit(where.clickhouse).port, "redis": urlsplit(where.redis).port}
    remote = [c.raddr.port for c in psutil.Process(pid).net_connections("tcp") if c.raddr]
    found = {name: remote.count(port) for name, port in ports.items()}
    client = redis.Redis.from_url(where.redis)
    try:
        found["redis_all_clients"] = len(client.client_list())
    finally:
        client.close()
    return found


def server_of(port: int) -> int:
    """The process that listens there."""
    for connection in psutil.net_connections("tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        if listens and connection.pid is not None:
            return connection.pid
    raise SystemExit(f"nobody listens on port {port}")


async def measure(args: argparse.Namespace) -> dict[str, object]:
    parts = urlsplit(args.url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    pid, where = server_of(port), endpoints.load(Path.cwd())
    count = int(args.rate * args.seconds)
    ids = people(where, topology.load(Path.cwd()).redis.prefix)
    if not ids:
        raise SystemExit("nobody has features: run 'headrace run' and 'headrace load' first")
    to = Connections(host, port, CONNECTIONS, args.token)
    await to.open()
    found: dict[str, object] = {"rate": args.rate, "seconds": args.seconds}
    try:
        found["features"] = await reads(to, features(ids, count), args.rate)
        found["series"] = await reads(to, series(count), args.rate)
    finally:
        await to.close()
    for number in VIEWERS:
        watching = asyncio.create_task(viewers(host, port, args.token, number, args.seconds))
        await asyncio.sleep(args.seconds / 2)
        connections = held(pid, where)
        figures = await watching
        summary = figures.summary(args.seconds)
        found[f"viewers_{number}"] = {**summary, "connections": connections}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8081")
    parser.add_argument("--token", help="a bearer token, where the server wants one")
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    print(
        orjson.dumps(asyncio.run(measure(parser.parse_args())), option=orjson.OPT_INDENT_2).decode()
    )


if __name__ == "__main__":
    main()
