"""The ledger against a recount of the very same records, one at a time, in plain Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from headrace.errors import ConfigError
from loadgen import Chunk, LoadConfig, generate
from loadgen.ledger import Ledger, Tally, check
from loadgen.ledger import fold as folding
from loadgen.rows import BAD
from loadgen.wiring import Wiring
from loadgen.world import World
from tests.loadgen.conftest import CONFIG, START_MS
from tests.loadgen.naive import State
from tests.loadgen.records import good

SECTIONS = {
    *(f"table.{t}" for t in ("catalog", "sessions", "orders", "payments", "requests", "flags")),
    "view.revenue_by_minute",
    "view.revenue_by_category",
    "view.payments_by_minute",
    "view.requests_by_minute",
    "view.active_users_by_minute",
    "view.funnel_by_hour",
    "view.exposures_by_hour",
    "view.customer_days",
    "redis.user",
    "redis.user:recent",
    "redis.user:affinity:category",
    "redis.user:affinity:product",
    "redis.product:demand",
    "redis.product:trending",
    "redis.order",
    "redis.order:history",
    "redis.cart",
    "redis.product:card",
}


def _keyed(name: str, frame: pl.DataFrame) -> dict[Any, Any]:
    """A section as a dict from its key columns to its values; quantiles left out."""
    if name == "view.requests_by_minute":
        frame = frame.drop("p50", "p95", "p99")
    if name.startswith("redis."):
        keys = 2
    elif name.startswith("table."):
        keys = 1
    else:
        values = {"orders", "lines", "payments", "requests", "users", "events", "exposures"}
        keys = next(i for i, column in enumerate(frame.columns) if column in values)
    rows = {row[:keys]: row[keys:] for row in frame.iter_rows()}
    assert len(rows) == frame.height, f"{name}: a key stands twice"
    return rows


def _compare(ledger: Ledger, chunks: list[Chunk]) -> None:
    state = State()
    state.apply(good(chunks))
    expected, found = state.sections(), ledger.sections()
    assert set(found) == SECTIONS
    for name in sorted(SECTIONS):
        assert _keyed(name, found[name]) == expected.get(name, {}), name
    latencies = state.views["requests_by_minute"]
    columns = ["minute", "tenant", "route", "p50", "p95", "p99"]
    for *key, p50, p95, p99 in found["view.requests_by_minute"].select(columns).iter_rows():
        exact = sorted(latencies[tuple(key)][3])
        for share, estimate in ((0.5, p50), (0.95, p95), (0.99, p99)):
            value = exact[int(share * (len(exact) - 1))]
            assert abs(estimate - value) <= 0.010_001 * value


def _kept(config: LoadConfig, wiring: Wiring, chunks: list[Chunk]) -> Ledger:
    ledger = Ledger(World(config), wiring)
    for chunk in chunks:
        ledger.add(chunk)
    return ledger


def test_every_section_equals_a_recount(chunks: list[Chunk], wiring: Wiring) -> None:
    _compare(_kept(CONFIG, wiring, chunks), chunks)


def test_merging_early_and_pruning_change_nothing(
    chunks: list[Chunk], wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _kept(CONFIG, wiring, chunks).sections()
    monkeypatch.setattr(folding, "MERGE_ROWS", 50)
    for name, frame in _kept(CONFIG, wiring, chunks).sections().items():
        columns = frame.columns
        assert frame.sort(columns).equals(whole[name].sort(columns)), name


@pytest.mark.parametrize("merge_rows", [50, 500_000])
def test_rings_wrap_and_recent_views_are_trimmed_over_long_spans(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch, merge_rows: int
) -> None:
    monkeypatch.setattr(folding, "MERGE_ROWS", merge_rows)
    config = LoadConfig(
        events=25_000,
        users=6,
        products=120,
        seed=5,
        start_ms=START_MS,
        event_rate=500.0,
        compression=86_400.0,  # 50 days in 50 simulated seconds
        chunk_events=1_000,
        tempo=0.1,
        duplicate_ratio=0.02,
    )
    chunks = list(generate(config, wiring))
    ledger = _kept(config, wiring, chunks)
    _compare(ledger, chunks)
    sections = ledger.sections()
    recent = sections["redis.user:recent"].group_by("id").len()
    assert recent["len"].max() == 50
    days = sections["redis.user"].filter(pl.col("field").str.starts_with("views:d"))
    assert days.group_by("id").len()["len"].max() == 30  # of the 50 that the run covers


def test_the_tally_counts_everything_that_was_sent(chunks: list[Chunk], wiring: Wiring) -> None:
    tally = Tally(wiring)
    for chunk in chunks:
        tally.add(chunk)
    assert sum(counts["sent"] for counts in tally.events.values()) == CONFIG.events
    records = list(good(chunks))
    assert tally.first_at_ms == min(record.at for record in records)
    assert tally.last_at_ms == max(record.at for record in records)
    bad = sum(int((b.rows["mark"] >= BAD).sum()) for c in chunks for b in c.batches.values())
    assert sum(counts["bad"] for counts in tally.events.values()) == bad > 200
    repeats = sum(counts["duplicates"] for counts in tally.events.values())
    assert repeats == sum(record.duplicate for record in records) > 400


def test_duplicates_leave_no_trace_in_topics_that_are_deduplicated(
    chunks: list[Chunk], wiring: Wiring
) -> None:
    topics = frozenset({"shop.sessions", "platform.flags"})
    ledger = Ledger(World(CONFIG), wiring, topics)
    for chunk in chunks:
        ledger.add(chunk)
    state = State()
    state.apply(r for r in good(chunks) if not (r.duplicate and r.topic in topics))
    expected, found = state.sections(), ledger.sections()
    for name in SECTIONS:
        assert _keyed(name, found[name]) == expected[name], name


def test_a_run_cut_short_is_accounted_up_to_the_cut(chunks: list[Chunk], wiring: Wiring) -> None:
    cut = [*chunks[:3], chunks[3].head(777)]
    _compare(_kept(CONFIG, wiring, cut), cut)


def test_an_empty_ledger_has_all_sections(wiring: Wiring) -> None:
    found = Ledger(World(CONFIG), wiring).sections()
    assert set(found) == SECTIONS
    assert all(frame.is_empty() for frame in found.values())


def test_a_ledger_is_replaced_whole(tmp_path: Path, chunks: list[Chunk], wiring: Wiring) -> None:
    folder = tmp_path / "deep" / "ledger"
    ledger = _kept(CONFIG, wiring, chunks[:2])
    ledger.write(folder, {"seed": 1})
    (folder / "stale.parquet").write_bytes(b"old")
    ledger.write(folder, {"seed": 2})
    assert {path.name for path in folder.iterdir()} == {
        "summary.json",
        *(f"{name}.parquet" for name in SECTIONS),
    }
    assert orjson.loads((folder / "summary.json").read_bytes()) == {"seed": 2}
    assert [path.name for path in folder.parent.iterdir()] == ["ledger"]


def test_a_folder_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is not a ledger"):
        check(tmp_path)
    with pytest.raises(ConfigError, match="is not a ledger"):
        check(tmp_path / "thesis.txt")
    check(tmp_path / "new")


def test_folds_take_scalars_and_empty_columns() -> None:
    fold = folding.Fold(["k"], {"n": "sum"})
    fold.add(k=np.array([1, 2, 1]), n=1)
    fold.add(k=np.array([], np.int64), n=1)
    assert fold.frame().rows() == [(1, 2), (2, 1)]
