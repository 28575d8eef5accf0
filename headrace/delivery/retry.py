"""Retry what may succeed later, with growing pauses; let everything else through."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.errors import Transient

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0


async def retry(
    what: str, call: Callable[[], Awaitable[T]], on_retry: Callable[[], None] | None = None
) -> T:
    """Call until it no longer raises Transient; pauses double from 50 ms to 1 s, with jitter.

    There is no limit on attempts: while a sink is away its partitions wait and the consumer stops
    fetching, which is the only right thing to do with data that must not be lost.
    """
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await call()
        except Transient as error:
            log.warning("%s failed for now, next try in %.2f s: %s", what, pause, error)
            if on_retry is not None:
                on_retry()
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(pause * 2, MAX_PAUSE_S)
