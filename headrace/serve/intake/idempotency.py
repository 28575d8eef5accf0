"""``Idempotency-Key``: a request that comes again gets the answer that it got.

The header is draft-ietf-httpapi-idempotency-key-header's, its value a quoted string or a bare word.
"""

from __future__ import annotations

import hashlib
import logging
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.exceptions import RedisClusterException, RedisError

from headrace.errors import Transient
from headrace.serve.intake.report import Answer
from headrace.serve.problems import Problem

log = logging.getLogger(__name__)

HEADER: Final = "Idempotency-Key"
KEEP_S: Final = 24 * 3600
#: How long a request may be in progress: one whose server died is then taken as not sent.
PROGRESS_S: Final = 60
_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_IN_PROGRESS = b"000"
_DIGEST = 32
_ERRORS = (RedisError, RedisClusterException, OSError)


def key_of(value: str) -> str:
    """The key that the header names; raises Problem 400."""
    found = _KEY.fullmatch(value.strip())
    if found is None:
        raise Problem(
            400, "bad-idempotency-key", f"{HEADER}: expected up to 255 printable ASCII characters"
        )
    return found[1] or found[2]


class Once:
    """One request under a key, from when it begins until its answer is kept.

    ``answer`` is set if it was answered before. Otherwise the answer that ``keep`` is given is
    stored; without one, or after an error, the key is free again.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer
        self.kept: Answer | None = None

    def keep(self, answer: Answer) -> None:
        """Answer the request so from now on."""
        self.kept = answer


class Answers:
    """Answers by key in Redis, outside of the partitions' fences, each for a day."""

    def __init__(self, redis: Any, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:intake:"

    @asynccontextmanager
    async def once(self, caller: str, path: str, key: str, body: bytes) -> AsyncIterator[Once]:
        """The request of one caller to one path.

        Raises Problem: 422 when the key came with another body, 409 while the first request is in
        progress. Raises Transient when Redis can't be asked: nothing is sent unless it is known to
        be the first time.
        """
        named = hashlib.sha256("\0".join((caller, path, key)).encode()).hexdigest()
        name, digest = self._prefix + named, hashlib.sha256(body).digest()
        try:
            begun = await self._redis.set(name, digest + _IN_PROGRESS, nx=True, ex=PROGRESS_S)
            held = None if begun else await self._redis.get(name)
        except _ERRORS as error:
            raise Transient(f"can't look up the {HEADER}: {error}") from error
        if not begun:
            yield Once(_answered(held, digest))
            return
        once = Once()
        try:
            yield once
        finally:
            await self._end(name, digest, once.kept)

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def _end(self, name: str, digest: bytes, kept: Answer | None) -> None:
        """A failure leaves the key in progress until PROGRESS_S have passed."""
        try:
            if kept is None:
                await self._redis.delete(name)
            else:
                text = digest + str(kept.status).encode() + zlib.compress(kept.body, 1)
                await self._redis.set(name, text, ex=KEEP_S)
        except _ERRORS as error:
            log.warning("the answer under an %s was not kept: %s", HEADER, error)


def _answered(held: bytes | None, digest: bytes) -> Answer:
    # None: it has just ended without an answer.
    if held is None or held == digest + _IN_PROGRESS:
        raise Problem(
            409,
            "in-progress",
            f"a request with this {HEADER} is in progress: ask again for its answer",
            headers={"Retry-After": "1"},
        )
    if held[:_DIGEST] != digest:
        raise Problem(
            422, "idempotency-key-reused", f"this {HEADER} came with another body: use a new one"
        )
    status, body = held[_DIGEST : _DIGEST + 3], held[_DIGEST + 3 :]
    return Answer(int(status), zlib.decompress(body))
