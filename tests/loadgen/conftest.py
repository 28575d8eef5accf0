"""A small run, made once: 30,000 records of a small shop, with everything that can go wrong."""

from __future__ import annotations

import pytest

from loadgen import Chunk, LoadConfig, generate
from loadgen.wiring import Wiring, project

START_MS = 1_772_366_390_000  # 2026-03-01T11:59:50Z: the run crosses minutes and an hour

CONFIG = LoadConfig(
    events=30_000,
    seed=7,
    users=300,
    products=60,
    start_ms=START_MS,
    event_rate=300.0,
    duplicate_ratio=0.02,
    bad_ratio=0.01,
    late_ratio=0.1,
    chunk_events=2_000,
)


@pytest.fixture(scope="session")
def wiring() -> Wiring:
    return project()


@pytest.fixture(scope="session")
def chunks(wiring: Wiring) -> list[Chunk]:
    return list(generate(CONFIG, wiring))
