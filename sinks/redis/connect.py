"""A redis-py client for an address: one server, Sentinel or Cluster."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode

from headrace.errors import ConfigError

TIMEOUT_S = 10.0
SCHEMES = "redis://, rediss://, unix://, redis+sentinel://h:p,h:p/service, redis+cluster://h:p"


def connect(url: str) -> Any:
    """Make a client; nothing is sent yet. Raises ConfigError for an address of no known form."""
    options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    parts = urlsplit(url)
    if parts.scheme in ("redis", "rediss", "unix"):
        return Redis.from_url(url, **options)
    if parts.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in _hosts(url, parts.netloc)]
        return RedisCluster(startup_nodes=nodes, **options)
    if parts.scheme == "redis+sentinel":
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            _hosts(url, parts.netloc), socket_timeout=TIMEOUT_S
        )
        return sentinel.master_for(parts.path.strip("/") or "mymaster", **options)
    raise ConfigError(f"HEADRACE_REDIS: {url!r}: unknown scheme {parts.scheme!r}; use {SCHEMES}")


def _hosts(url: str, netloc: str) -> list[tuple[str, int]]:
    hosts = []
    for address in netloc.rsplit("@", 1)[-1].split(","):
        host, _, port = address.partition(":")
        if not port.isdecimal():
            raise ConfigError(f"HEADRACE_REDIS: {url!r}: {address!r} is not host:port")
        hosts.append((host, int(port)))
    return hosts
