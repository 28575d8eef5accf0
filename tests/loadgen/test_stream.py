"""The stream: reproducible, causal, and shaped as asked."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest
from pydantic import ValidationError

from headrace import topology
from loadgen import Chunk, LoadConfig, Mix, generate, resolve
from loadgen.config import DEFAULT_EVENT_RATE
from loadgen.rows import DUPLICATE, MAX_LINES, REQUESTS, SESSIONS
from loadgen.timeline import Timeline
from loadgen.wiring import Wiring
from tests.loadgen.conftest import CONFIG
from tests.loadgen.records import Record, good

Sent = list[tuple[str, int, bytes, bytes]]

#: Steps of an order and of its payments that may follow each other.
NEXT = {
    "": {"placed"},
    "placed": {"payment.authorised", "payment.failed"},
    "payment.failed": {"payment.failed", "payment.authorised", "cancelled"},
    "payment.authorised": {"payment.captured"},
    "payment.captured": {"paid"},
    "paid": {"packed", "cancelled"},
    "packed": {"shipped"},
    "shipped": {"delivered"},
    "delivered": {"payment.refunded"},
    "cancelled": {"payment.refunded"},
    "payment.refunded": {"refunded"},
    "refunded": set(),
}


def _sent(chunks: list[Chunk]) -> Sent:
    """Everything that goes out, by position in the run."""
    rows = [
        (int(seq), (batch.topic, int(partition), key, value))
        for chunk in chunks
        for batch in chunk.batches.values()
        for seq, partition, key, value in zip(
            batch.seq, batch.partitions, batch.keys, batch.values, strict=True
        )
    ]
    rows.sort(key=lambda row: row[0])
    assert [seq for seq, _ in rows] == list(range(len(rows)))
    return [row for _, row in rows]


def test_the_same_configuration_gives_the_same_bytes(chunks: list[Chunk], wiring: Wiring) -> None:
    assert _sent(list(generate(CONFIG, wiring))) == _sent(chunks)


def test_pacing_changes_no_byte(chunks: list[Chunk], wiring: Wiring) -> None:
    paced = CONFIG.model_copy(update={"rate": 1234.0})
    assert _sent(list(generate(resolve(paced, 1), wiring))) == _sent(chunks)


def test_a_shorter_run_is_a_prefix_of_a_longer_one(chunks: list[Chunk], wiring: Wiring) -> None:
    short = CONFIG.model_copy(update={"events": 7_777})
    assert _sent(list(generate(short, wiring))) == _sent(chunks)[:7_777]


def test_another_seed_gives_other_bytes(chunks: list[Chunk], wiring: Wiring) -> None:
    other = CONFIG.model_copy(update={"seed": 8, "events": 3_000})
    assert _sent(list(generate(other, wiring))) != _sent(chunks)[:3_000]


def test_the_head_of_a_chunk_is_its_first_records(chunks: list[Chunk]) -> None:
    chunk = chunks[4]
    cut = chunk.head(321)
    assert len(cut) == 321
    assert max(int(batch.seq[-1]) for batch in cut.batches.values()) == chunk.first + 320
    assert not chunk.head(0).batches


@pytest.fixture(scope="module")
def records(chunks: list[Chunk]) -> list[Record]:
    return list(good(chunks))


def test_orders_live_legally_in_event_time_and_in_sending(records: list[Record]) -> None:
    lives: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for record in records:
        if record.stream in ("orders", "payments") and not record.duplicate:
            prefix = "payment." if record.stream == "payments" else ""
            lives[record.event["order_id"]].append((prefix + record.event["type"], record.at))
    steps = Counter(step for life in lives.values() for step, _ in life)
    assert set(steps) == set(NEXT) - {""}
    for life in lives.values():
        for (before, earlier), (after, later) in itertools.pairwise([("", 0), *life]):
            assert after in NEXT[before]
            assert later > earlier


@pytest.fixture(scope="module")
def punctual(wiring: Wiring) -> list[Record]:
    """A run in which nothing is late, repeated or damaged."""
    off = {"late_ratio": 0.0, "duplicate_ratio": 0.0, "bad_ratio": 0.0}
    return list(good(generate(CONFIG.model_copy(update=off), wiring)))


def test_visits_add_what_was_viewed_and_remove_what_was_added(punctual: list[Record]) -> None:
    viewed: set[tuple[str, str]] = set()
    cart: Counter[tuple[str, str]] = Counter()
    acted = Counter[str]()
    for record in punctual:
        if record.stream != SESSIONS:
            continue
        event = record.event
        place = event["session_id"], event["product_id"]
        acted[event["type"]] += 1
        if event["type"] == "product_view":
            viewed.add(place)
        elif event["type"] == "cart_add":
            assert place in viewed
            cart[place] += event["quantity"]
        elif event["type"] == "cart_remove":
            cart[place] -= event["quantity"]
            assert cart[place] >= 0
    assert all(acted[kind] > 30 for kind in ("search", "cart_remove", "checkout_started"))


def test_orders_are_what_was_in_the_cart_at_checkout(punctual: list[Record]) -> None:
    carts: dict[str, Counter[str]] = defaultdict(Counter)  # by visit
    prices: dict[tuple[str, str], object] = {}
    checkouts: dict[str, list[tuple[object, Counter[str]]]] = defaultdict(list)  # by user
    orders = 0
    for record in punctual:
        event = record.event
        kind = event.get("type")
        if kind == "cart_add":
            carts[event["session_id"]][event["product_id"]] += event["quantity"]
            prices[event["session_id"], event["product_id"]] = event["unit_price"]
        elif kind == "cart_remove":
            carts[event["session_id"]][event["product_id"]] -= event["quantity"]
        elif kind == "checkout_started":
            cart = +carts[event["session_id"]]
            value = sum(n * prices[event["session_id"], p] for p, n in cart.items())  # type: ignore[operator]
            if len(cart) <= MAX_LINES:
                assert event["cart_value"] == value
            checkouts[event["user_id"]].append((event["cart_value"], cart))
        elif kind == "placed":
            lines = event["lines"]
            assert event["total"] == sum(line["quantity"] * line["unit_price"] for line in lines)
            units = Counter({line["product_id"]: line["quantity"] for line in lines})
            assert any(
                event["total"] == value and units <= cart
                for value, cart in checkouts[event["user_id"]]
            )
            orders += 1
    assert orders > 300


def test_price_changes_follow_each_other(records: list[Record]) -> None:
    prices: dict[str, object] = {}
    changes = 0
    for record in sorted(
        (r for r in records if r.stream == "catalog"), key=lambda r: (r.at, r.seq)
    ):
        event = record.event
        if record.duplicate:
            continue
        if event["type"] == "created":
            assert event["product_id"] not in prices
            assert event["name"]
        prices[event["product_id"]] = event["price"]
        changes += event["type"] == "price_changed"
    assert len(prices) == CONFIG.products
    assert changes > 100


def test_duplicates_are_the_same_bytes_sent_again_later(chunks: list[Chunk]) -> None:
    first: dict[bytes, bytes] = {}
    repeats = 0
    for chunk in chunks:
        for batch in chunk.batches.values():
            for i, mark in enumerate(batch.rows["mark"].tolist()):
                identity = batch.event_ids[i].tobytes()
                if mark == DUPLICATE:
                    assert first[identity] == batch.values[i]
                    repeats += 1
                elif mark == 0:
                    assert identity not in first
                    first[identity] = batch.values[i]
    assert repeats == pytest.approx(CONFIG.events * CONFIG.duplicate_ratio, rel=0.25)


def test_some_events_are_late(records: list[Record]) -> None:
    newest, late = 0, 0
    for record in records:
        if record.at < newest - 1_000:
            late += 1
        newest = max(newest, record.at)
    assert 0.03 < late / len(records) < 0.4


def test_shares_and_skew_at_full_size(wiring: Wiring) -> None:
    config = LoadConfig(events=400_000, seed=3, start_ms=1_772_366_390_000, event_rate=10_000)
    counts: Counter[str] = Counter()
    users: Counter[int] = Counter()
    products: Counter[int] = Counter()
    for chunk in generate(config, wiring):
        for stream, batch in chunk.batches.items():
            counts[stream] += len(batch)
        if SESSIONS in chunk.batches:
            rows = chunk.batches[SESSIONS].rows
            users.update(rows["user"].tolist())
            products.update(rows["product"][rows["product"] >= 0].tolist())
    share = {stream: n / config.events for stream, n in counts.items()}
    mix = Mix()
    assert share["sessions"] == pytest.approx(mix.sessions, rel=0.08)
    assert share["orders"] == pytest.approx(mix.orders, rel=0.15)
    assert share["flags"] == pytest.approx(mix.flags, rel=0.05)
    assert share[REQUESTS] == pytest.approx(0.47, rel=0.1)
    assert 0.4 < share["payments"] / share["orders"] < 0.6
    views = sum(products.values())
    assert sum(n for _, n in products.most_common(20)) / views > 0.2  # 1 % of the products
    assert len(products) > 1_900
    assert sum(n for _, n in users.most_common(500)) / sum(users.values()) > 0.1
    assert len(users) > 8_000


def test_latencies_are_lognormal_and_hits_are_quick(wiring: Wiring) -> None:
    config = LoadConfig(events=100_000, start_ms=1_772_366_390_000, event_rate=10_000)
    rows = np.concatenate(
        [c.batches[REQUESTS].rows for c in generate(config, wiring) if REQUESTS in c.batches]
    )
    search = rows[(rows["route"] == 2) & ~rows["hit"] & (rows["status"] < 500)]
    logs = np.log(search["latency"])
    assert np.exp(np.median(logs)) == pytest.approx(42_000, rel=0.05)
    assert logs.std() == pytest.approx(0.7, rel=0.05)
    assert rows["hit"].mean() == pytest.approx(0.45, abs=0.06)
    assert 0.0005 < (rows["status"] >= 500).mean() < 0.01


def test_compressed_days_have_nights() -> None:
    timeline = Timeline(1_772_323_200_000, compression=3600.0)  # midnight UTC
    at = timeline.event_ms(np.linspace(0, 24e6, 24_001).astype(np.int64))
    assert (np.diff(at) >= 0).all()
    assert at[-1] - at[0] == pytest.approx(86_400_000, rel=0.001)
    hours = np.bincount((at[:-1] - at[0]) // 3_600_000, minlength=24)
    assert hours.max() > 1.5 * hours.min()


def test_resolve_chooses_start_and_event_rate() -> None:
    live = resolve(LoadConfig(rate=500), now_ms=10**12)
    assert (live.start_ms, live.event_rate) == (10**12, 500)
    flat_out = resolve(LoadConfig(events=50_000), now_ms=10**12)
    assert flat_out.start_ms == 10**12 - 5_000
    fixed = resolve(LoadConfig(rate=500, start_ms=5), now_ms=10**12)
    assert (fixed.start_ms, fixed.event_rate) == (5, DEFAULT_EVENT_RATE)


def test_a_mix_without_room_for_requests_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"0\.98"):
        Mix(sessions=0.9, orders=0.2)
    with pytest.raises(ValueError, match="resolve"):
        next(generate(LoadConfig(events=10), {}))


def test_every_repeat_comes_within_the_windows_that_the_project_declares() -> None:
    """Else the ledger, which leaves repeats out, would not say what the pipeline must do."""
    declared = topology.load()
    windows = {name: topic.dedupe.window for name, topic in declared.topics.items() if topic.dedupe}
    quick = LoadConfig(events=300_000, seed=9, users=6, start_ms=1_772_366_390_000, event_rate=1e6)
    ends: Counter[tuple[str, int]] = Counter()
    at: dict[tuple[str, int, bytes], int] = {}
    repeats = 0
    for chunk in generate(quick):
        for batch in chunk.batches.values():
            ids = [bytes(row) for row in batch.event_ids]
            rows = zip(batch.partitions.tolist(), ids, batch.rows["mark"].tolist(), strict=True)
            for partition, event_id, mark in rows:
                offset = ends[batch.topic, partition]
                ends[batch.topic, partition] += 1
                before = at.get((batch.topic, partition, event_id))
                at[batch.topic, partition, event_id] = offset
                if mark == DUPLICATE and batch.topic in windows:
                    repeats += 1
                    assert before is not None
                    assert offset - before <= windows[batch.topic]
    assert repeats > 300
