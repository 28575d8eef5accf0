"""Headrace: an agent over blocks of whole records, exactly once on. A sink adds up its writes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import uuid
from pathlib import Path

import polars as pl

from bench import contract
from bench.meter import Meter
from bench.process import ROOT
from headrace import app as composition
from headrace.clock import SystemClock
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.schema import Codec, Registry
from headrace.sink import Mark
from headrace.topics import Topics
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes


# ---- what the user writes for decode
def decode(frame: Frame) -> Writes:
    return Writes((Rows("sums", frame.df.select(pl.len(), pl.col("amount").sum())),))


# ---- what the user writes for minutes and users
def by_minute(frame: Frame, field: str) -> Writes:
    by = [pl.col("occurred_at").dt.truncate("1m").alias("minute"), field]
    sums = frame.df.group_by(by).agg(pl.len(), pl.col("amount").sum())
    return Writes((Rows("sums", sums),))


def minutes(frame: Frame) -> Writes:
    return by_minute(frame, "type")


def users(frame: Frame) -> Writes:
    return by_minute(frame, "user_id")


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
            "topics": {
                topic: {
                    "schema": "payments",
                    "key": "user_id",
                    "partitions": Topics(bootstrap).partitions()[topic],
                }
            },
            "agents": {
                "job": {
                    "function": f"bench.contestants.headrace_blocks:{job}",
                    "reads": [topic],
                    "writes": {"tables": ["sums"]},
                }
            },
            "clickhouse": {"tables": {"sums": {"topic": topic, "order_by": ["len"]}}},
        }
    )
    meter = Meter()
    codec = Codec(Registry.load(ROOT), "payments")

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
    total = added(job, sink.frames)
    meter.lap()
    meter.finish(answer(job, total))
    await app.stop()


def added(job: str, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Add the blocks' sums up, where a real pipeline has an aggregating table."""
    parts, sums = pl.concat(frames), (pl.col("len").sum(), pl.col("amount").sum())
    if job == "decode":
        return parts.select(sums)
    return parts.group_by("minute", {"minutes": "type", "users": "user_id"}[job]).agg(sums)


def answer(job: str, total: pl.DataFrame):
    """See ``bench.contract``."""
    total = total.with_columns((pl.col("amount") * 100).cast(pl.Int64))
    if job == "decode":
        return contract.decoded(*total.row(0))
    total = total.with_columns(pl.col("minute").dt.epoch("ms"))
    if job == "minutes":
        return contract.minutes(total.iter_rows())
    number = pl.col("user_id").str.slice(1).cast(pl.Int64)
    return contract.users(total.with_columns(number).iter_rows())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
