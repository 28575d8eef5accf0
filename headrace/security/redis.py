"""A redis-py client for an address: one server, Sentinel or Cluster."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.maint_notifications import MaintNotificationsConfig

from headrace.errors import ConfigError
from headrace.security.secret import redacted

TIMEOUT_S = 10.0
#: Nothing is asked of a new connection that Redis before 7.2 refuses: each refusal is an exception
#: in a cycle with its frames, which hold the block that opened the connection until collected.
PLAIN = {
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}
SCHEMES = "redis(s)://, unix://, redis(s)+sentinel://h:p,h:p/service, redis(s)+cluster://h:p"


class _Watched(Redis):
    """A client of the master that sentinels name."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to the sentinels, too."""
        await super().aclose(close_connection_pool)
        manager: Any = self.connection_pool
        for sentinel in manager.sentinel_manager.sentinels:
            await sentinel.aclose()


def connect(url: str) -> Any:
    """Make a client; nothing is sent yet. Raises ConfigError for an address of no known form."""
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        **PLAIN,
    }
    parts = urlsplit(url)
    if parts.scheme in ("redis", "rediss", "unix"):
        return Redis.from_url(url, **options)
    if parts.scheme in ("redis+cluster", "rediss+cluster"):
        nodes = [ClusterNode(host, port) for host, port in _hosts(url, parts.netloc)]
        return RedisCluster(startup_nodes=nodes, **options, **_user(parts), **_tls(parts))
    if parts.scheme in ("redis+sentinel", "rediss+sentinel"):
        options |= _tls(parts)
        # The user is the data servers': sentinels have users of their own, or none.
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            _hosts(url, parts.netloc), sentinel_kwargs=options, **options, **_user(parts)
        )
        return sentinel.master_for(parts.path.strip("/") or "mymaster", _Watched)
    raise ConfigError(
        f"HEADRACE_REDIS: {redacted(url)!r}: unknown scheme {parts.scheme!r}; use {SCHEMES}"
    )


def _user(parts: SplitResult) -> dict[str, Any]:
    found = {"username": parts.username, "password": parts.password}
    return {name: unquote(text) for name, text in found.items() if text}


def _tls(parts: SplitResult) -> dict[str, Any]:
    """The options that redis-py itself reads from the query of a ``rediss://`` URL."""
    if not parts.scheme.startswith("rediss"):
        return {}
    found: dict[str, Any] = dict(parse_url(f"rediss://?{parts.query}"))
    found.pop("connection_class", None)
    return {"ssl": True, **found}


async def look_again(client: Any) -> None:
    """Drop the idle connections of a client, so that it looks again where the master is.

    The client of a cluster is told by each reply who has the slot and needs no help.
    """
    if isinstance(client, Redis):
        await client.connection_pool.disconnect(inuse_connections=False)


def _hosts(url: str, netloc: str) -> list[tuple[str, int]]:
    hosts = []
    for address in netloc.rsplit("@", 1)[-1].split(","):
        host, _, port = address.partition(":")
        if not port.isdecimal():
            raise ConfigError(f"HEADRACE_REDIS: {redacted(url)!r}: {address!r} is not host:port")
        hosts.append((host, int(port)))
    return hosts
