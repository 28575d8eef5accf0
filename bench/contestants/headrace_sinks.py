"""Headrace with its real sinks: a worker's app over a backlog, from a project folder.

    python -m bench.contestants.headrace_sinks FOLDER

The services are those of HEADRACE_HOME or the environment; topics and tables exist. What is
measured lasts from the assignment of the partitions to the last block's last apply. From the first
block would be unfair: exactly once asks the sinks how far they are before it, so its connections
are made and a first fetch has come by then, which at least once does on the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bench.meter import Meter
from headrace import endpoints
from headrace.app import Runtime, create
from headrace.block import Block, TopicPartition
from headrace.delivery.delivery import Delivery
from headrace.delivery.job import Outcome
from headrace.delivery.start import Start
from headrace.lag import LagReader
from headrace.metrics import Metrics
from headrace.topology import Topology

LOOK_S = 1.0


class Watch(Metrics):
    """The worker's metrics, which also read the meter at each block that is applied.

    ``ends`` is the log's next offset by partition: past all of them ``drained`` is set.
    """

    def __init__(self, meter: Meter, ends: Mapping[str, int]) -> None:
        super().__init__()
        self._meter = meter
        self._left = {tp: end for tp, end in ends.items() if end}
        self.drained = asyncio.Event()

    def block_done(self, block: Block, outcome: Outcome) -> None:
        """See ``Metrics``."""
        super().block_done(block, outcome)
        self._meter.events += len(block)
        self._meter.lap()
        if block.last + 1 >= self._left.get(str(block.tp), 0):
            self._left.pop(str(block.tp), None)
        if not self._left:
            self.drained.set()


def ends(bootstrap: str, declared: Topology) -> dict[str, int]:
    """The log's next offset, by partition."""
    with LagReader(bootstrap, declared.name, declared.topic_partitions(declared.topics)) as reader:
        return {str(tp): lag.end for tp, lag in reader.read().items()}


class Commits:
    """Counts offset commits on their way to the broker, and the seconds until it accepted."""

    def __init__(self) -> None:
        self.requests = 0
        self.seconds = 0.0

    def timed(self, commit: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        """The same commit, counted."""

        async def run(positions: Any) -> None:
            started = time.perf_counter()
            await commit(positions)
            self.requests += 1
            self.seconds += time.perf_counter() - started

        return run


def listen(runtime: Runtime, meter: Meter, commits: Commits) -> None:
    """Start the meter when Delivery is told of its partitions, and count what it commits."""
    deliver = runtime.deliver

    def heard(offsets: Any, **rest: Any) -> Delivery:
        offsets.commit = commits.timed(offsets.commit)
        delivery = deliver(offsets=offsets, **rest)
        assign = delivery.assign

        async def first(tps: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
            meter.start()
            return await assign(tps)

        delivery.assign = first
        return delivery

    runtime.deliver = heard


async def main(root: Path) -> None:
    """Consume the backlog to its end, commit it and print what that took."""
    app = create(root)
    runtime: Runtime = app.headrace
    meter = Meter()
    watch = Watch(meter, ends(endpoints.load(root).kafka, runtime.topology))
    runtime.metrics = watch  # the app makes its consumer when it starts, and that takes them
    commits = Commits()
    listen(runtime, meter, commits)
    await app.start()
    while not watch.drained.is_set():
        if runtime.failed is not None:
            raise runtime.failed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watch.drained.wait(), LOOK_S)
    await app.stop()  # ends with the last commit
    told = watch.snapshot(time.monotonic())
    meter.finish(
        {
            "blocks": told["blocks"],
            "commits": commits.requests,
            "commit_seconds": commits.seconds,
            "sink_seconds": told["sink_seconds"],
            "sink_retries": told["sink_retries"],
        }
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
