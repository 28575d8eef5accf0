"""Headrace: the same, an agent over blocks, exactly once on. ``decode`` or ``minutes``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import uuid
from pathlib import Path

import polars as pl

from bench.events import PROJECT
from bench.meter import Meter
from headrace import app as composition
from headrace.clock import SystemClock
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.schema import Codec, Registry
from headrace.sink import Mark
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes


# ---- what the user writes
def minutes(frame: Frame) -> Writes:
    by = [pl.col("occurred_at").dt.truncate("1m").alias("minute"), "type"]
    sums = frame.df.group_by(by).agg(pl.len(), pl.col("amount").sum())
    return Writes((Rows("minutes", sums),))


def decode(frame: Frame) -> Writes:
    return Writes((Rows("minutes", frame.df.select(pl.len())),))


# ----


class Collect:
    """Adds the blocks' sums up, where a real pipeline has its sinks."""

    name = store = "collect"

    def __init__(self, meter: Meter, count: int) -> None:
        self._meter, self._count = meter, count
        self.frames: list[pl.DataFrame] = []
        self.all = asyncio.Event()

    def takes(self, topic):
        return True

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def apply(self, block, writes) -> None:
        for rows in writes.rows:
            self.frames.append(rows.frame)
            self._meter.events += int(rows.frame["len"].sum())
        if self._meter.events >= self._count:
            self.all.set()
        return block.last

    async def watermarks(self, tps):
        return dict.fromkeys(tps, Mark(-1))


async def main(job: str, bootstrap: str, topic: str, count: int) -> None:
    topology = Topology.model_validate(
        {
            "version": 1,
            "name": f"bench-{uuid.uuid4().hex[:8]}",
            "topics": {topic: {"schema": "payment", "key": "user_id"}},
            "agents": {
                "job": {
                    "function": f"bench.contestants.headrace_blocks:{job}",
                    "reads": [topic],
                    "writes": {"tables": ["minutes"]},
                }
            },
            "clickhouse": {"tables": {"minutes": {"topic": topic, "order_by": ["minute"]}}},
        }
    )
    meter = Meter()
    codec = Codec(Registry.load(PROJECT), "payment")

    def timed(block):
        meter.start()
        return codec.decode(block)

    sink = Collect(meter, count)
    where = Endpoints(bootstrap, "", "")
    runtime = composition.Runtime(topology, where, {topic: timed}, [sink], SystemClock())
    app = composition.compose(runtime, where, Path(tempfile.mkdtemp(prefix="bench-headrace-")))
    await app.start()
    while not sink.all.is_set():
        if runtime.failed is not None:
            raise runtime.failed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sink.all.wait(), 1)
    meter.finish(answer(sink.frames) if job == "minutes" else None)
    await app.stop()


def answer(frames: list[pl.DataFrame]) -> dict[str, list[int]]:
    total = pl.concat(frames).group_by("minute", "type").agg(pl.col("len", "amount").sum())
    minute = pl.col("minute").dt.epoch("ms")
    return {
        f"{m} {kind}": [n, amount]
        for m, kind, n, amount in total.select(minute, "type", "len", "amount").iter_rows()
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
