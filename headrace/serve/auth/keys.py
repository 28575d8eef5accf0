"""The issuer's keys: read again now and then, and when a token names one that is not known."""

from __future__ import annotations

import asyncio
import logging
import math

import jwt

from headrace.clock import Clock
from headrace.errors import Transient
from headrace.serve.auth.jwks import NotAKeySet, parse
from headrace.serve.auth.source import Source

log = logging.getLogger(__name__)

#: An unknown key is looked for no more often than this: whoever makes names up asks the issuer
#: nothing for them.
MIN_INTERVAL_S = 10.0
#: While the issuer does not answer, its last keys are used no longer than this.
MAX_AGE_S = 86_400.0


class Keys:
    """Keys by ``kid``. One read is under way at a time, and nobody waits for one without need.

    ``generation`` counts up when the keys are others than before.
    """

    def __init__(self, source: Source, refresh_s: float, clock: Clock) -> None:
        self._source = source
        self._refresh_s = refresh_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._document = b""
        self._read_at = self._tried_at = -math.inf
        self._lock = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of this name, or the only one there is when a token names none.

        Raises Transient when there are no keys to look into: the issuer has not answered for long.
        """
        self.refresh()
        if self._age() > MAX_AGE_S:
            await self._read()
            if self._age() > MAX_AGE_S:
                raise Transient("the key set that tokens are checked with can't be read")
        found = self._named(kid)
        if found is None and await self._read():
            found = self._named(kid)
        return found

    def refresh(self) -> None:
        """Begin to read the keys again if they are due; the old ones are used meanwhile."""
        if self._refresh_s < self._age() <= MAX_AGE_S and self._may_read() and not self._reading():
            self._behind = asyncio.create_task(self._read_behind())

    def _named(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    def _may_read(self) -> bool:
        return self._clock.monotonic() - self._tried_at >= MIN_INTERVAL_S

    def _reading(self) -> bool:
        return self._behind is not None and not self._behind.done()

    async def _read_behind(self) -> None:
        await self._read()

    async def _read(self) -> bool:
        """Read unless that was tried just now; whether there may be other keys than before.

        Who comes while a read is under way waits for it, and does not begin another.
        """
        before = self.generation
        async with self._lock:
            if not self._may_read():
                return self.generation != before
            self._tried_at = self._clock.monotonic()
            try:
                document = await self._source.read()
                keys = parse(document)
            except (Transient, NotAKeySet) as error:
                log.warning("The keys that tokens are checked with could not be read: %s", error)
                return False
            self._read_at = self._clock.monotonic()
            if document != self._document:
                self._document, self._keys = document, keys
                self.generation += 1
            return self.generation != before
