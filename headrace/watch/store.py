"""What the watching process must not forget, in Redis: one key, written whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack
from redis.exceptions import RedisError

from headrace.errors import Fenced, Transient
from headrace.security import redis as redis_security

#: The state goes in only for whoever opened the store last.
_SAVE = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'unsent', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Saved:
    """The detectors' state after some minute, and the events of the last minutes before it that
    may not be in the topic yet: they are behind offset ``after``, or nowhere."""

    state: bytes
    unsent: list[dict[str, Any]]
    after: int


class StateStore:
    """State and unsent events change together, or not at all."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client = redis_security.connect(url)
        self._key = f"{prefix}:watch"
        self._epoch = b""

    async def open(self) -> Saved | None:
        """Fence off whoever had it, and read what they left; raises Transient."""
        try:
            self._epoch = str(await self._client.hincrby(self._key, "epoch", 1)).encode()
            state, unsent = await self._client.hmget(self._key, "state", "unsent")
        except RedisError as error:
            raise Transient(f"redis: {error}") from error
        if state is None:
            return None
        after, events = msgpack.unpackb(unsent)
        return Saved(state, events, after)

    async def save(self, saved: Saved) -> None:
        """Replace it; raises Fenced when another process has opened it, Transient."""
        unsent = msgpack.packb((saved.after, saved.unsent))
        try:
            kept = await self._client.eval(_SAVE, 1, self._key, self._epoch, saved.state, unsent)
        except RedisError as error:
            raise Transient(f"redis: {error}") from error
        if not kept:
            raise Fenced(f"another process watches this pipeline now ({self._key!r} in Redis)")

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()
