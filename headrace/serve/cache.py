"""Answers kept for a moment, so that many viewers of one thing cost one question."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace

from headrace.clock import Clock
from headrace.serve.answers import Answer
from headrace.serve.positions import Position

#: An answer is given again for so long whatever happens, and then again for so long each time that
#: its view was seen not to have moved, ...
FRESH_S = 1.0
#: ... or so long while somebody asks for a newer one already, ...
STALE_S = 3.0
#: ... up to this age.
UNMOVED_S = 60.0
MAX_ENTRIES = 2_000
MAX_BYTES = 64 << 20


@dataclass(slots=True)
class _Entry:
    answer: Answer
    made_at: float
    held_at: float  # when it was made, or the view was last seen not to have moved


class Cache:
    """Answers by question. One question is asked once at a time, by whoever asks first.

    The version of an answer is the position that it reflects: while the view's position is the
    same, so is the answer. Errors are not kept. The least recently used go first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._asking: dict[Hashable, asyncio.Task[Answer]] = {}
        self.hits = 0
        self.misses = 0

    async def get(
        self,
        question: Hashable,
        ask: Callable[[], Awaitable[Answer]],
        version: Callable[[], Awaitable[Position]],
        enough: Callable[[Position], bool] = lambda _: True,
    ) -> Answer:
        """The answer that is kept, if its position is enough, or a new one."""
        entry = self._entries.get(question)
        if (
            entry is not None
            and enough(entry.answer.position)
            and await self._holds(entry, version)
        ):
            self.hits += 1
            if question in self._entries:  # it may have gone while the version was asked for
                self._entries.move_to_end(question)
            return entry.answer
        while True:
            asking = self._asking.get(question)
            if asking is None:
                self.misses += 1
                asking = asyncio.create_task(self._ask(question, ask))
                self._asking[question] = asking
                # A caller that gives up must not take the answer from the others.
                return await asyncio.shield(asking)
            found = await asyncio.shield(asking)
            if enough(found.position):
                self.hits += 1
                return found

    def fresh(self, question: Hashable) -> Answer | None:
        """The answer that is given again without asking anybody, if there is one."""
        entry = self._entries.get(question)
        if entry is None or not (self._is_fresh(entry) or self._is_replaced(question, entry)):
            return None
        self._entries.move_to_end(question)
        self.hits += 1
        return entry.answer

    def _is_fresh(self, entry: _Entry) -> bool:
        now = self._clock.monotonic()
        return now - entry.held_at < FRESH_S and now - entry.made_at < UNMOVED_S

    def _is_replaced(self, question: Hashable, entry: _Entry) -> bool:
        now = self._clock.monotonic()
        return question in self._asking and now - entry.held_at < STALE_S

    async def _holds(self, entry: _Entry, version: Callable[[], Awaitable[Position]]) -> bool:
        if self._is_fresh(entry):
            return True
        now = self._clock.monotonic()
        if now - entry.made_at >= UNMOVED_S or not entry.answer.position:
            return False
        if await version() != entry.answer.position:
            return False
        entry.held_at = now
        return True

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            made_at = self._clock.monotonic()
            found = replace(await ask(), question=question)
            self._keep(question, _Entry(found, made_at, made_at))
            return found
        finally:
            del self._asking[question]

    def _keep(self, question: Hashable, entry: _Entry) -> None:
        old = self._entries.pop(question, None)
        self._bytes += len(entry.answer.body) - (len(old.answer.body) if old else 0)
        self._entries[question] = entry
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            _, gone = self._entries.popitem(last=False)
            self._bytes -= len(gone.answer.body)
