"""One run: generate ahead, send on schedule, keep the ledger."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.endpoints import Endpoints
from headrace.topology.model import Topology
from loadgen.chunk import Chunk
from loadgen.config import LoadConfig, resolve
from loadgen.incidents import plan
from loadgen.ledger import Ledger, Tally, check
from loadgen.pacing import Pacer, Stop
from loadgen.sender import Sender
from loadgen.stream import generate
from loadgen.wiring import ROOT, wire
from loadgen.world import World

PROGRESS_S = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands. ``rate`` is records/s since the last report."""

    sent: int
    acknowledged: int
    seconds: float
    rate: float
    max_lag_ms: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did; ``summary.json`` of its ledger. Times ``*_at_ms`` are ms since the epoch."""

    seed: int
    events: dict[str, dict[str, int]]  # by topic: sent, of them duplicates and bad
    first_at_ms: int | None  # event times of the good records
    last_at_ms: int | None
    started_at_ms: int  # wall clock
    finished_at_ms: int
    records: int
    seconds: float  # from the first record's due time to the last acknowledgement
    asked_rate: float  # records/s; 0: as fast as it goes
    achieved_rate: float
    max_lag_ms: float  # how far the run ever fell behind its schedule
    stopped: bool  # before all records were sent
    config: dict[str, Any]  # resolved: with it every byte can be made again
    incidents: list[dict[str, Any]]  # what was made to go wrong, and when

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Reporter:
    """Calls back a few times a second."""

    def __init__(
        self, sender: Sender, pacer: Pacer, callback: Callable[[Progress], None] | None
    ) -> None:
        self._sender = sender
        self._pacer = pacer
        self._callback = callback
        self._last = (0.0, 0)

    def __call__(self, sent: int, final: bool = False) -> None:
        if self._callback is None:
            return
        seconds = self._pacer.elapsed_s
        since = seconds - self._last[0]
        if since < PROGRESS_S and not final:
            return
        rate = (sent - self._last[1]) / since if since else 0.0
        self._last = (seconds, sent)
        lag_ms = self._pacer.max_lag_s * 1000
        self._callback(Progress(sent, self._sender.acknowledged, seconds, rate, lag_ms))


@dataclass(frozen=True, slots=True)
class _Run:
    """What sends one run."""

    sender: Sender
    pacer: Pacer
    stop: Stop
    report: _Reporter

    def play(self, chunks: Iterator[Chunk], account: Callable[[Chunk], None]) -> int:
        """Send all chunks, or up to the stop signal; returns how many records went out.

        One other thread makes the next chunk and accounts for those sent, in order, so that the
        schedule waits for neither.
        """
        sent = 0
        booked: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, "loadgen") as background:
            following = background.submit(next, chunks, None)
            while (chunk := following.result()) is not None and not self.stop.is_set():
                following = background.submit(next, chunks, None)
                sent = self._send(chunk)
                booked.append(background.submit(account, chunk.head(sent - chunk.first)))
                while booked[0].done():
                    booked.popleft().result()
                    if not booked:
                        break
            for entry in booked:
                entry.result()
        return sent

    def _send(self, chunk: Chunk) -> int:
        position, end = chunk.first, chunk.first + len(chunk)
        while position < end:
            upto = self.pacer.due(position, end)
            if upto == position:  # told to stop
                break
            self.sender.send(chunk, position, upto)
            position = upto
            self.pacer.sent(position)
            self.report(position)
        return position


def run(
    config: LoadConfig,
    endpoints: Endpoints,
    topology: Topology,
    ledger: Path | None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    root: Path = ROOT,
) -> Summary:
    """Send ``config.events`` records (or until ``stop`` is set) and write the ledger.

    The ledger holds exactly the records that were acknowledged. Raises ConfigError for missing
    topics, Transient when Kafka does not answer, Terminal when a record could not be delivered:
    then there is no ledger, because nobody knows what the topic holds. ``root`` has ``schemas/``.
    """
    halt = stop or threading.Event()
    if ledger is not None:
        check(ledger)
    wiring = wire(topology, root)
    sender = Sender(endpoints.kafka, wiring, config.rate)
    world = World(config)
    started = time.time_ns() // 1_000_000
    config = resolve(config, started)
    tally = Tally(wiring)
    dropped = frozenset(name for name, topic in topology.topics.items() if topic.dedupe)
    book = Ledger(world, wiring, dropped) if ledger is not None else None
    pacer = Pacer(config.rate, halt)
    report = _Reporter(sender, pacer, on_progress)

    def account(chunk: Chunk) -> None:
        tally.add(chunk)
        if book is not None:
            book.add(chunk)

    sent = _Run(sender, pacer, halt, report).play(generate(config, wiring, world), account)
    sender.flush()
    seconds = pacer.elapsed_s
    report(sent, final=True)
    summary = Summary(
        seed=config.seed,
        events=tally.events,
        first_at_ms=tally.first_at_ms,
        last_at_ms=tally.last_at_ms,
        started_at_ms=started,
        finished_at_ms=time.time_ns() // 1_000_000,
        records=sent,
        seconds=round(seconds, 3),
        asked_rate=config.rate,
        achieved_rate=round(sent / seconds, 1) if seconds else 0.0,
        max_lag_ms=round(pacer.max_lag_s * 1000, 1),
        stopped=config.events is None or sent < config.events,
        config=config.model_dump(),
        incidents=[incident.as_dict() for incident in plan(config)],
    )
    if book is not None and ledger is not None:
        book.write(ledger, summary.as_dict())
    return summary
