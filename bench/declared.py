"""``python -m bench.declared``: the shop's features as declared, beside an agent written by hand.

``topology.yaml`` has the declarations, ``bench.written`` the agent. Both compute the same keys from
the same frames of the load generator's sessions and orders, up to the updates that Redis gets; that
they end alike is checked first. CPU-seconds of the process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.written.features import features
from headrace import topology
from headrace.agent import AgentFunction, function
from headrace.block import Block
from headrace.frame import Frame
from headrace.memory import MemorySink
from headrace.rules.checked import decoder
from headrace.schema import Registry
from headrace.testing import run, step
from headrace.writes import NOTHING, Writes
from loadgen import LoadConfig, generate
from loadgen.wiring import ROOT

#: What of ``topology.yaml`` the written agent computes.
FEATURES = ("activity", "affinity", "trending", "demand")
SCHEMAS = {"shop.sessions": "sessions", "shop.orders": "orders"}
ROWS = 65_536


def declared() -> AgentFunction:
    """The agents of all four as one function."""
    shop = topology.load(ROOT)
    made = [function(shop, name) for name in FEATURES]

    def together(frame: Frame) -> Writes:
        return sum((agent(frame) for agent in made), NOTHING)

    return together


def frames(events: int) -> list[Frame]:
    """Sessions and orders among so many events of the generator, a partition each, in blocks."""
    registry = Registry.load(ROOT)
    decode = {topic: decoder(registry, schema, {}) for topic, schema in SCHEMAS.items()}
    config = LoadConfig(seed=1, users=50_000, events=events, start_ms=1_772_366_390_000,
                        event_rate=10_000.0)  # fmt: skip
    values: dict[str, list[bytes]] = {topic: [] for topic in SCHEMAS}
    for chunk in generate(config):
        for batch in chunk.batches.values():
            if batch.topic in values:
                values[batch.topic] += batch.values
    return [
        decode[topic](block) for topic, kept in values.items() for block in _blocks(topic, kept)
    ]


def _blocks(topic: str, values: list[bytes]) -> Iterator[Block]:
    for first in range(0, len(values), ROWS):
        part = values[first : first + ROWS]
        offsets = np.arange(first, first + len(part), dtype=np.int64)
        nothing: list[bytes | None] = [None] * len(part)
        yield Block(topic, 0, first, first + len(part) - 1, part, offsets, offsets, nothing)


def speed(agent: AgentFunction, made: list[Frame]) -> float:
    """Events per CPU-second, updates combined as the sink gets them."""
    began = time.process_time()
    for frame in made:
        step(agent, frame)
    return sum(map(len, made)) / (time.process_time() - began)


def pairs(made: list[Frame], count: int) -> list[tuple[float, float]]:
    """Speeds of the written and the declared one, in turns."""
    both = (features, declared())
    for agent in both:
        speed(agent, made)  # once to warm up
    ends = [list(run(agent, *made, sink=MemorySink()).state()) for agent in both]
    if ends[0] != ends[1]:
        raise AssertionError("what is declared ends otherwise than what is written")
    return [(speed(both[0], made), speed(both[1], made)) for _ in range(count)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = pairs(frames(given.events), given.pairs)
    ratio = statistics.median(declared_ / written for written, declared_ in found)
    if given.json:
        print(json.dumps({"pairs": found, "median_ratio": ratio}))
        return
    table = Table("", "written", "declared", "ratio", title="features: events per CPU-second")
    for i, (written, declared_) in enumerate(found, 1):
        table.add_row(f"{i}", f"{written:,.0f}", f"{declared_:,.0f}", f"{declared_ / written:.2f}")
    table.add_row("median", "", "", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
