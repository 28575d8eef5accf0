"""How cost grows: with partitions, with events, with fields; and what an idle pipeline takes.

The first two are J2 (``bench.compare``) of Headrace alone: its answers are checked, its memory is
told. Fields are decoding alone, in this process. Idle is the shop's topology without an event.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from bench import compare
from bench.compare import Topics, spread, task
from bench.cost import variant
from bench.field import HEADRACE
from bench.process import contestant
from headrace.block import Block
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.schema import Codec, Registry
from headrace.schema.register import register
from headrace.workers import Workers

JOB = task("minutes")
PARTITIONS = (4, 16, 64, 256)
EVENTS = (1_000_000, 5_000_000, 50_000_000)
FIELDS = (10, 25, 50, 100, 200)
#: A field of each type in turn: what events are made of.
TYPES: tuple[Any, ...] = ("long", "string", "double", ["null", "string"], "boolean")
ROWS = 20_000
TIMEOUT_S = 900.0
IDLE_WARM_S = 10.0
IDLE_S = 60.0
FRAMING = b"\x00\x00\x00\x00\x01"

Report = dict[str, Any]


def partitions(topics: Topics, events: int, repeat: int, console: Console) -> list[Report]:
    """The same events over more partitions."""
    return _alternating([(n, events) for n in PARTITIONS], topics, repeat, console)


def events(topics: Topics, repeat: int, console: Console) -> list[Report]:
    """More events, each topic holding the first ones of the next."""
    few = PARTITIONS[0]
    return _alternating([(few, count) for count in EVENTS], topics, repeat, console)


def _alternating(
    cases: Sequence[tuple[int, int]], topics: Topics, repeat: int, console: Console
) -> list[Report]:
    runs: dict[tuple[int, int], list[Report]] = {case: [] for case in cases}
    for turn in range(repeat):
        for case in cases if turn % 2 == 0 else cases[::-1]:
            filled = topics.get(JOB, case[1], case[0])
            program = contestant("headrace_blocks")
            found = compare.one(HEADRACE, program, topics.bootstrap, JOB, filled, TIMEOUT_S)
            runs[case].append(found)
            per_cpu = found["events"] / found["cpu_seconds"]
            console.print(f"  {case[1]:,} in {case[0]}: {per_cpu:,.0f} events per CPU-second")
    return [
        {
            "partitions": case[0],
            "events": case[1],
            "per_cpu_second": spread(run["events"] / run["cpu_seconds"] for run in found),
            "per_second": spread(run["events"] / run["wall_seconds"] for run in found),
            "peak_rss_bytes": max(run["peak_rss_bytes"] for run in found),
        }
        for case, found in runs.items()
    ]


def fields(repeat: int) -> list[Report]:
    """Decoding records of more and more fields."""
    codecs = [(count, *_written(count)) for count in FIELDS]
    rates: dict[int, list[float]] = {count: [] for count in FIELDS}
    for _ in range(1 + repeat):  # the first one warms up
        for count, codec, block in codecs:
            began = time.process_time()
            frame = codec.decode(block)
            rates[count].append(block.nbytes / (time.process_time() - began))
            if len(frame) != ROWS or frame.bad:
                raise RuntimeError(f"{count} fields: {len(frame)} of {ROWS} records decoded")
    return [
        {
            "fields": count,
            "record_bytes": round(block.nbytes / ROWS),
            "bytes_per_cpu_second": spread(rates[count][1:]),
        }
        for count, _, block in codecs
    ]


def _written(count: int) -> tuple[Codec, Block]:
    """A codec for records of so many fields, and a block of them."""
    spec = {
        "type": "record",
        "name": "Wide",
        "fields": [{"name": f"f{i}", "type": TYPES[i % len(TYPES)]} for i in range(count)],
    }
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        schemas = Path(folder) / "schemas"
        schemas.mkdir()
        (schemas / "wide.avsc").write_text(json.dumps(spec))
        register(schemas)
        codec = Codec(Registry.load(Path(folder)), "wide")
    rng = np.random.default_rng(count)
    columns = [_drawn(TYPES[i % len(TYPES)], rng) for i in range(count)]
    parsed, values = fastavro.parse_schema(spec), []
    for row in zip(*columns, strict=True):
        out = io.BytesIO()
        out.write(FRAMING)
        record = {f"f{i}": value for i, value in enumerate(row)}
        fastavro.schemaless_writer(out, parsed, record)
        values.append(out.getvalue())
    offsets = np.arange(ROWS)
    return codec, Block("wide", 0, 0, ROWS - 1, values, offsets, offsets, [None] * ROWS)


def _drawn(type_: Any, rng: np.random.Generator) -> list[Any]:
    numbers = rng.integers(0, 1 << 40, ROWS)
    if type_ == "long":
        return list(numbers.tolist())
    if type_ == "double":
        return list(rng.random(ROWS).tolist())
    if type_ == "boolean":
        return list((numbers % 2 == 0).tolist())
    texts = [f"{number:x}" for number in numbers.tolist()]
    if type_ == "string":
        return texts
    return [None if number % 3 == 0 else text for number, text in zip(numbers, texts, strict=True)]


def idle(where: Endpoints) -> Report:
    """CPU of a worker whose topics get nothing."""
    pause = threading.Event()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        declared = variant(folder, "exactly_once", "idle")
        apply_all(folder, declared, where)
        group = Workers(folder, 1, log_file=folder / "workers.log")
        group.start()
        try:
            pause.wait(IDLE_WARM_S)
            (worker,) = (psutil.Process(pid) for pid in group.pids)
            before, began = worker.cpu_times(), time.monotonic()
            pause.wait(IDLE_S)
            after, seconds = worker.cpu_times(), time.monotonic() - began
            group.check()
        finally:
            group.stop()
    used = after.user + after.system - before.user - before.system
    return {
        "partitions": sum(map(declared.partitions, declared.topics)),
        "seconds": round(seconds, 1),
        "cpus": round(used / seconds, 4),
    }


def measure(topics: Topics, where: Endpoints, count: int, repeat: int, console: Console) -> Report:
    """All of it; ``count`` events go to each number of partitions."""
    return {
        "idle": idle(where),
        "fields": fields(repeat),
        "partitions": partitions(topics, count, repeat, console),
        "events": events(topics, 1, console),
    }


def show(found: Report, console: Console) -> None:
    """Print the tables."""
    console.print(
        f"idle: {found['idle']['cpus']:.1%} of a CPU, {found['idle']['partitions']} parts"
    )
    table = Table("fields", "bytes", "MB per CPU-second", title="Decoding by fields")
    for row in found["fields"]:
        rate = row["bytes_per_cpu_second"]["median"] / 1e6
        table.add_row(str(row["fields"]), str(row["record_bytes"]), f"{rate:,.0f}")
    console.print(table)
    table = Table("partitions", "events", "per CPU-second", "events/s", "MiB", title=JOB.title)
    for row in [*found["partitions"], *found["events"]]:
        table.add_row(
            str(row["partitions"]), f"{row['events']:,}", f"{row['per_cpu_second']['median']:,}",
            f"{row['per_second']['median']:,}", f"{row['peak_rss_bytes'] / 2**20:,.0f}",
        )  # fmt: skip
    console.print(table)
