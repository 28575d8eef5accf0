"""Tells once a second how a worker is: to Redis, and to whoever asks whether its loop turns."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Protocol

import headrace
from headrace.app import Runtime
from headrace.errors import HeadraceError
from headrace.worker_state import EVERY_S, WorkerState

log = logging.getLogger(__name__)


class Tells(Protocol):
    """Where a worker's state goes."""

    async def tell(self, state: WorkerState) -> None:
        """Replace the worker's state. Raises Transient or Terminal."""

    async def close(self) -> None:
        """Disconnect."""


class Reporter:
    """Writes the state of one worker. Nothing that goes wrong here stops or delays delivery."""

    def __init__(self, runtime: Runtime, connect: Callable[[], Tells], index: int) -> None:
        self._runtime = runtime
        self._connect = connect
        self._index = index
        self._host = socket.gethostname()
        self._silent = False
        self._pulse = runtime.clock.monotonic()

    def silence_s(self) -> float:
        """How long ago the event loop last came by here."""
        return self._runtime.clock.monotonic() - self._pulse

    async def run(self) -> None:
        """Tell until cancelled."""
        telling = self._connect()
        try:
            while True:
                self._pulse = self._runtime.clock.monotonic()
                await asyncio.gather(self._tell(telling), asyncio.sleep(EVERY_S))
        finally:
            await telling.close()

    async def last_word(self) -> None:
        """Tell that the worker has ended in order; its numbers hold everything it did."""
        telling = self._connect()
        await self._tell(telling, stopped=True)
        await telling.close()

    async def _tell(self, telling: Tells, stopped: bool = False) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await telling.tell(self._state(stopped))
        except (HeadraceError, TimeoutError) as error:
            if not self._silent:
                log.warning("status and page don't see this worker: %s", error or "no answer")
            self._silent = True
        else:
            self._silent = False

    def _state(self, stopped: bool) -> WorkerState:
        clock = self._runtime.clock
        return WorkerState(
            id=f"{self._host}:{os.getpid()}",
            host=self._host,
            pid=os.getpid(),
            index=self._index,
            version=headrace.__version__,
            at=clock.now_ms(),
            stopped=stopped,
            numbers=self._runtime.metrics.snapshot(clock.monotonic()),
        )
