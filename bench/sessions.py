"""``python -m bench.sessions``: declared sessions and joins, events per CPU-second of the process.

    python -m bench.sessions [--blocks 16] [--json]

Frames go in, states and emitted events come out, encoded for Kafka; states are kept in memory. Of
every hundred events five come up to a minute late and one up to an hour. Decoding and the stores
are other benches' (``bench.decode``, ``bench.compare``).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from headrace import topology
from headrace.block import Block
from headrace.collector import calm
from headrace.frame import Frame
from headrace.schema import Encoder, Registry
from headrace.topology.model import Topology
from headrace.windows import agents
from headrace.writes import Writes

ROOT = Path(__file__).parents[1] / "docs" / "examples" / "visits"
ROWS = 65_536
START_MS = 1_780_000_000_000
KINDS = ["page_view", "search", "product_view", "cart_add", "cart_remove", "checkout_started"]
#: Users active at once, and events of the stream by second.
ACTIVE, RATE = 10_000, 1_000


def frames(blocks: int) -> Iterator[Frame]:
    """Page events: each user goes on for a while, then another one comes."""
    dice = np.random.default_rng(7)
    for number in range(blocks):
        first = number * ROWS
        offsets = np.arange(first, first + ROWS, dtype=np.int64)
        # Of the active users one in twenty is replaced by each second of the stream.
        moved = offsets // (RATE * 20) * (ACTIVE // 20)
        user = dice.integers(0, ACTIVE, ROWS) + moved
        late = dice.choice([0, 60_000, 3_600_000], ROWS, p=[0.94, 0.05, 0.01])
        at = START_MS + offsets * 1000 // RATE - (late * dice.random(ROWS)).astype(np.int64)
        kind = dice.choice(KINDS, ROWS, p=[0.3, 0.1, 0.4, 0.12, 0.03, 0.05])
        df = pl.DataFrame(
            {
                "user_id": "u-" + pl.Series(user).cast(pl.String),
                "device": pl.Series(dice.choice(["desktop", "mobile"], ROWS)),
                "occurred_at": pl.Series(at).cast(pl.Datetime("ms", "UTC")),
                "type": pl.Series(kind).cast(pl.Enum(KINDS)),
                "page": pl.Series(dice.choice(["/", "/sale", "/cart"], ROWS)),
                "product_id": "p-" + pl.Series(dice.integers(0, 5_000, ROWS)).cast(pl.String),
                "quantity": pl.Series(dice.integers(1, 4, ROWS)).cast(pl.Int32),
                "cart_value": pl.Series(dice.integers(1, 90_000, ROWS)).cast(pl.Decimal(12, 2)),
                "referrer": pl.Series(dice.choice(["search", "mail"], ROWS)),
                "_partition": pl.repeat(0, ROWS, dtype=pl.Int32, eager=True),
                "_offset": offsets,
            }
        )
        yield _frame("shop.sessions", df)


def _frame(topic: str, df: pl.DataFrame) -> Frame:
    offsets = df["_offset"].to_numpy()
    none: list[None] = [None] * df.height
    return Frame(
        Block(topic, 0, int(offsets[0]), int(offsets[-1]), none, offsets, offsets, none), df
    )


class Measured:
    """An agent with its states, and the CPU time that it has had."""

    def __init__(self, declared: Topology, registry: Registry, name: str) -> None:
        self._agent: Callable[..., Writes] = agents.of(declared, name)
        self._encoders = {
            topic: Encoder(registry, declared.topics[topic].schema_)
            for topic in declared.agents[name].writes.topics
        }
        self._stateful = declared.agents[name].state is not None
        self._states: dict[str, bytes] = {}
        self.events = self.emitted = 0
        self.agent_s = self.encode_s = 0.0

    def take(self, frame: Frame) -> list[Mapping[str, Any]]:
        """Run it on a block; returns what it emits."""
        begin = time.process_time()
        writes = self._agent(frame, self._states) if self._stateful else self._agent(frame)
        between = time.process_time()
        emitted = [event for emit in writes.events for event in emit.events]
        for emit in writes.events:
            encode = self._encoders[emit.topic].encode
            for event in emit.events:
                encode(event)
        self.encode_s += time.process_time() - between
        self.agent_s += between - begin
        for state in writes.state:
            self._states.update({k: v for k, v in state.values.items() if v is not None})
        self.events += len(frame)
        self.emitted += len(emitted)
        return emitted

    def row(self, what: str) -> dict[str, Any]:
        """The figures."""
        kept = sum(map(len, self._states.values()))
        return {
            "what": what,
            "events": self.events,
            "agent_per_cpu_s": round(self.events / self.agent_s),
            "with_encoding_per_cpu_s": round(self.events / (self.agent_s + self.encode_s)),
            "emitted": self.emitted,
            "keys": len(self._states),
            "bytes_per_key": round(kept / len(self._states)) if self._states else 0,
        }


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    declared, registry = topology.load(ROOT), Registry.load(ROOT)
    visits, sides, touches = (
        Measured(declared, registry, name) for name in ("visits", "touches_sides", "touches")
    )
    via = declared.joins["touches"].via
    schema = {c.name: c.dtype for c in registry.latest(declared.topics[via].schema_)}
    calm()  # as a worker does
    behind = 0
    for frame in frames(options.blocks):
        visits.take(frame)
        events = sides.take(frame)
        times = pl.Series([e["occurred_at"] for e in events]).cast(schema["occurred_at"])
        df = pl.DataFrame(events, schema_overrides={"occurred_at": pl.Int64}).with_columns(
            times.alias("occurred_at"),
            pl.lit(0, pl.Int32).alias("_partition"),
            pl.int_range(behind, behind + len(events)).alias("_offset"),
        )
        behind += len(events)
        touches.take(_frame(via, df))
    rows = [
        visits.row("sessions: visits"),
        sides.row("join: sides to one topic"),
        touches.row("join: touches, the side of views"),
    ]
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(*rows[0], title=f"{options.blocks} blocks of {ROWS:,} page events")
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else v for v in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
