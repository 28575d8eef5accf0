"""The key ring's entries in Redis: ``<prefix>:keys:<name>``, outside of the partitions' fences."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from headrace.errors import Terminal
from sinks.redis import eviction
from sinks.redis.blocking import Blocking

log = logging.getLogger(__name__)


class RedisKeyStore:
    """Implements ``headrace.private.ring.KeyStore``. Entries have no time to live."""

    def __init__(self, url: str, prefix: str) -> None:
        self._redis = Blocking(url)
        self._prefix = f"{prefix}:keys:"

    def get(self, names: Sequence[str]) -> list[str | None]:
        """See ``KeyStore``."""

        return self._redis.run("key ring: read", lambda client: self._read(client, names))

    async def _read(self, client: Any, names: Sequence[str]) -> list[str | None]:
        ask = client.mget_nonatomic if isinstance(client, RedisCluster) else client.mget
        held = await ask([self._prefix + name for name in names])
        return [None if entry is None else entry.decode() for entry in held]

    def add(self, entries: Mapping[str, str]) -> list[str]:
        """See ``KeyStore``: of several producers the first one's entry stays."""

        async def ask(client: Any) -> list[str]:
            pipeline = client.pipeline(transaction=False)
            for name, entry in entries.items():
                pipeline.set(self._prefix + name, entry, nx=True)
            await pipeline.execute()
            return [str(entry) for entry in await self._read(client, list(entries))]

        return self._redis.run("key ring: add keys", ask)

    def replace(self, name: str, entry: str) -> None:
        """See ``KeyStore``. An append-only file keeps the old entry until it is rewritten."""

        async def ask(client: Any) -> None:
            await client.set(self._prefix + name, entry)
            primaries = {"target_nodes": RedisCluster.PRIMARIES}
            options = primaries if isinstance(client, RedisCluster) else {}
            try:
                await client.execute_command("BGREWRITEAOF", **options)
            except (ResponseError, NoPermissionError) as error:
                log.warning(
                    "key ring: Redis did not rewrite its append-only file (%s): it may hold the "
                    "destroyed key, wrapped, until its next rewrite",
                    error,
                )

        self._redis.run("key ring: replace a key", ask)

    def faults(self) -> list[str]:
        """See ``KeyStore``: a Redis that may evict entries, or acknowledges before it syncs."""

        async def ask(client: Any) -> list[str]:
            found = []
            try:
                await eviction.check(client)
            except Terminal as error:
                found.append(str(error))
            try:
                held = await client.config_get("append*")
            except (ResponseError, NoPermissionError) as error:
                return [*found, f"can't see how it persists (CONFIG GET is refused): {error}"]
            for setting, wanted in (("appendonly", "yes"), ("appendfsync", "always")):
                if held.get(setting) != wanted:
                    found.append(f"{setting} is {held.get(setting)!r}, should be {wanted!r}")
            return found

        return self._redis.run("key ring: settings", ask)

    def close(self) -> None:
        """See ``KeyStore``."""
        self._redis.close()
