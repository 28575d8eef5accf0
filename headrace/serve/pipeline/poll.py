"""Asking a service again and again, without ever waiting for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.errors import HeadraceError
from headrace.security.secret import redacted
from headrace.serve.pipeline.sources import Source

EVERY_S = 0.5
#: An answer older than this is not the present any more.
STALE_S = 4.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """The last answer and when it came (monotonic seconds), and why there is no newer one."""

    value: T | None = None
    at_s: float | None = None
    why: str | None = None

    def age_s(self, now_s: float) -> float | None:
        """How old the answer is; None without one."""
        return None if self.at_s is None else now_s - self.at_s

    def failing(self, now_s: float) -> str | None:
        """Why what is seen is not the present; None when it is."""
        if self.why is not None:
            return self.why
        age = self.age_s(now_s)
        return None if age is not None and age < STALE_S else "no answer yet"


def ask(source: Source[T], before: Seen[T]) -> Seen[T]:
    """The next answer; the one before it with the reason where there is none."""
    try:
        return Seen(source.read(), time.monotonic())
    except HeadraceError as error:
        return Seen(before.value, before.at_s, redacted(str(error)))


class Poll(Generic[T]):
    """A thread that asks one source; ``seen`` may be read at any time."""

    def __init__(
        self, name: str, connect: Callable[[], Source[T]], every_s: float = EVERY_S
    ) -> None:
        self.seen: Seen[T] = Seen()
        self._connect = connect
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll {name}", daemon=True)

    def start(self) -> None:
        """Begin asking."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that is under way is answered to nobody."""
        self._stop.set()

    def _run(self) -> None:
        source = None
        while source is None and not self._stop.is_set():
            try:
                source = self._connect()
            except HeadraceError as error:
                self.seen = Seen(why=redacted(str(error)))
                self._stop.wait(EVERY_S)
        while source is not None and not self._stop.is_set():
            self.seen = ask(source, self.seen)
            self._stop.wait(self._every_s)
        if source is not None:
            source.close()
