"""Answers kept for a moment, so that many viewers of one thing cost one question."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from headrace.clock import Clock
from headrace.serve.answers import Answer
from headrace.serve.positions import Position

#: An answer is given again for so long whatever happens, ...
FRESH_S = 1.0
#: ... and for so long while its view has not moved.
UNMOVED_S = 60.0
MAX_ENTRIES = 2_000
MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Answer
    made_at: float


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

    async def _holds(self, entry: _Entry, version: Callable[[], Awaitable[Position]]) -> bool:
        age = self._clock.monotonic() - entry.made_at
        if age < FRESH_S:
            return True
        return (
            age < UNMOVED_S
            and bool(entry.answer.position)
            and (await version() == entry.answer.position)
        )

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            made_at = self._clock.monotonic()
            found = await ask()
            self._keep(question, _Entry(found, made_at))
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
