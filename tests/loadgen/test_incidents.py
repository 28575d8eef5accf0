"""Incidents happen when, where and as much as the plan says, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from loadgen import LoadConfig, days, generate, resolve
from loadgen import vocabulary as v
from loadgen.incidents import KINDS, Incident, Incidents, plan
from loadgen.orders import PATHS
from loadgen.rows import ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows
from loadgen.stream import windows
from loadgen.world import World

START_MS = 1_772_323_200_000
QUIET = resolve(days(LoadConfig(events=200_000, seed=5, users=2_000, start_ms=START_MS), 1), 0)
WRONG = QUIET.model_copy(update={"incidents": 12})
WORLD = World(QUIET)


def rows(config: LoadConfig) -> dict[str, Rows]:
    found: dict[str, list[Rows]] = {}
    made = 0
    assert config.events is not None
    for window in windows(config, WORLD):
        made += sum(map(len, window.values()))
        for stream, some in window.items():
            found.setdefault(stream, []).append(some[some["mark"] == 0])
        if made > config.events:
            break
    return {stream: np.concatenate(parts) for stream, parts in found.items()}


@pytest.fixture(scope="module")
def quiet() -> dict[str, Rows]:
    return rows(QUIET)


@pytest.fixture(scope="module")
def wrong() -> dict[str, Rows]:
    return rows(WRONG)


def during(some: Rows, incident: Incident) -> Rows:
    return some[(some["at"] >= incident.start_ms) & (some["at"] < incident.end_ms)]


def of(kind: str) -> Incident:
    return max((i for i in plan(WRONG) if i.kind == kind), key=lambda i: i.size)


def on(some: Rows, incident: Incident) -> Rows:
    paths = np.array([route.path for route in v.ROUTES])
    return some[paths[some["route"]] == incident.where["route"]]


def share(left: Rows, of_these: Rows) -> float:
    return float(len(left) / len(of_these))


def test_a_plan_has_every_kind_and_never_two_at_once() -> None:
    planned = plan(WRONG)
    assert {incident.kind for incident in planned} == set(KINDS)
    end = START_MS + 86_400_000
    edges = [edge for i in planned for edge in (i.start_ms, i.end_ms)]
    assert edges == sorted(edges)
    assert START_MS + 43_200_000 <= edges[0] <= edges[-1] <= end
    assert plan(QUIET) == ()
    assert planned == plan(WRONG)


def test_runs_without_incidents_and_times_outside_of_them_have_the_same_events(
    quiet: dict[str, Rows], wrong: dict[str, Rows]
) -> None:
    first = plan(WRONG)[0].start_ms
    for stream in (ORDERS, PAYMENTS, REQUESTS, SESSIONS):
        before = [some[stream][some[stream]["at"] < first] for some in (quiet, wrong)]
        assert len(before[0]) > 100
        assert np.array_equal(before[0], before[1])


def test_orders_are_lost_with_all_their_lives(
    quiet: dict[str, Rows], wrong: dict[str, Rows]
) -> None:
    incident = of("orders_drop")
    placed = [during(s[ORDERS], incident) for s in (quiet, wrong)]
    placed = [some[some["type"] == v.PLACED] for some in placed]
    assert share(placed[1], placed[0]) == pytest.approx(1 - incident.size, abs=0.2)
    lost = np.setdiff1d(placed[0]["order"], placed[1]["order"])
    assert not np.isin(wrong[ORDERS]["order"], lost).any()
    assert not np.isin(wrong[PAYMENTS]["order"], lost).any()


def test_orders_that_cannot_be_paid_are_cancelled_as_ever(wrong: dict[str, Rows]) -> None:
    incident = of("payment_failures")
    placed = during(wrong[ORDERS], incident)
    placed = placed[placed["type"] == v.PLACED]["order"]
    failed = wrong[PAYMENTS][wrong[PAYMENTS]["type"] == v.FAILED]
    unpaid = np.isin(placed, failed["order"])
    assert unpaid.mean() > 0.6 * incident.size
    legal = {tuple(sorted(slot for slot in path.slots if slot in (1, 2, 9))) for path in PATHS}
    assert (1, 2, 9) in legal
    ends = wrong[ORDERS][np.isin(wrong[ORDERS]["order"], placed[unpaid])]
    assert (ends["type"] == v.CANCELLED).any()


def test_requests_fail_slow_down_and_flood(quiet: dict[str, Rows], wrong: dict[str, Rows]) -> None:
    burst, slow, flood = of("error_burst"), of("latency_step"), of("traffic_flood")
    failed = on(during(wrong[REQUESTS], burst), burst)["status"] >= 500
    assert failed.mean() == pytest.approx(burst.size, abs=0.1)
    before, after = (on(during(s[REQUESTS], slow), slow) for s in (quiet, wrong))
    factor = np.median(after["latency"]) / np.median(before["latency"])
    assert factor == pytest.approx(slow.size, rel=0.01)
    before, after = (on(during(s[REQUESTS], flood), flood) for s in (quiet, wrong))
    assert share(after, before) == pytest.approx(1 + flood.size, rel=0.1)
    assert len(np.unique(after["r0"])) == len(after)


def test_a_region_falls_silent(quiet: dict[str, Rows], wrong: dict[str, Rows]) -> None:
    outage = of("region_outage")
    region = v.REGIONS.index(outage.where["region"])
    for stream in (SESSIONS, REQUESTS):
        before, after = (during(s[stream], outage) for s in (quiet, wrong))
        left = share(after[after["region"] == region], before[before["region"] == region])
        assert left == pytest.approx(1 - outage.size, abs=0.25)
        others = share(after[after["region"] != region], before[before["region"] != region])
        assert others == pytest.approx(1, abs=0.01)  # repeats of others than before


def test_repeats_of_what_was_struck_are_like_it() -> None:
    config = WRONG.model_copy(update={"duplicate_ratio": 0.2, "events": 150_000})
    seen: dict[bytes, bytes] = {}
    repeats = 0
    for chunk in generate(config, world=WORLD):
        for batch in chunk.batches.values():
            for i, value in enumerate(batch.values):
                name = batch.event_ids[i].tobytes()
                repeats += name in seen
                assert seen.setdefault(name, value) == value
    assert repeats > 20_000


def test_struck_is_what_its_own_bits_say() -> None:
    incident = Incident("region_outage", 0, 10, {"region": "apac"}, 0.5)
    some = next(w for w in windows(QUIET, WORLD) if SESSIONS in w)[SESSIONS][:500].copy()
    some["at"], some["mark"], some["region"] = 5, 0, v.REGIONS.index("apac")
    whole = Incidents([incident]).strike(SESSIONS, some)
    parts = [Incidents([incident]).strike(SESSIONS, some[i : i + 1]) for i in range(len(some))]
    assert np.array_equal(whole, np.concatenate(parts))
    assert 0 < len(whole) < len(some)


def test_incidents_need_to_know_how_long_the_run_is() -> None:
    with pytest.raises(ValidationError, match="how many events"):
        LoadConfig(incidents=3)
    with pytest.raises(ValueError, match="how many there are"):
        days(LoadConfig(), 2)
