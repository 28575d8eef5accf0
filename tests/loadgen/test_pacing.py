"""The schedule is open-loop: a slow sender is behind, and the schedule does not wait for it."""

from __future__ import annotations

import pytest

from loadgen.pacing import BURST, TICK_S, Pacer


class FakeTime:
    """A clock, and a stop signal whose waiting moves it."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.now = 100.0
        self.stop_at = 100.0 + stop_at
        self.waits = 0

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.stop_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert timeout > 0
        self.waits += 1
        self.now += timeout + 1e-9
        return self.is_set()


def _play(
    pacer: Pacer, time: FakeTime, records: int, cost_s: float = 0.0
) -> list[tuple[float, int]]:
    """Send ``records`` at ``cost_s`` each; returns when each slice was released and its end."""
    sent, slices = 0, []
    while sent < records:
        upto = pacer.due(sent, records)
        if upto == sent:
            break
        slices.append((time.now - 100.0, upto))
        time.now += (upto - sent) * cost_s
        sent = upto
        pacer.sent(sent)
    return slices


def test_a_quick_sender_is_held_to_the_schedule() -> None:
    time = FakeTime()
    pacer = Pacer(1_000, time, time.monotonic)
    slices = _play(pacer, time, 5_000)
    assert time.now - 100.0 == pytest.approx(5.0, abs=0.02)
    assert pacer.max_lag_s <= TICK_S
    for at, upto in slices:
        assert upto <= at * 1_000 + 1
    assert len(slices) == pytest.approx(500, rel=0.1)  # a tick each, not one for each record


def test_a_stall_is_caught_up_at_once_and_reported() -> None:
    time = FakeTime()
    pacer = Pacer(1_000, time, time.monotonic)
    upto = pacer.due(0, 10_000)
    time.now += 2.0  # the broker hangs
    pacer.sent(upto)
    caught_up = pacer.due(upto, 10_000)
    assert caught_up == pytest.approx(2_000, abs=20)
    assert pacer.max_lag_s == pytest.approx(2.0, abs=0.02)


def test_a_slow_sender_falls_behind_without_waiting() -> None:
    time = FakeTime()
    pacer = Pacer(1_000, time, time.monotonic)
    _play(pacer, time, 5_000, cost_s=0.002)  # can do 500 a second
    assert time.now - 100.0 == pytest.approx(10.0, abs=0.1)
    assert pacer.max_lag_s == pytest.approx(5.0, abs=0.1)
    assert time.waits <= 2


def test_slow_rates_send_one_by_one() -> None:
    time = FakeTime()
    slices = _play(Pacer(4, time, time.monotonic), time, 5)
    assert [upto for _, upto in slices] == [1, 2, 3, 4, 5]
    assert [at for at, _ in slices] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=0.01)


def test_rate_zero_never_waits_and_leaves_looks_at_the_stop_signal() -> None:
    time = FakeTime()
    slices = _play(Pacer(0, time, time.monotonic), time, 3 * BURST)
    assert [upto for _, upto in slices] == [BURST, 2 * BURST, 3 * BURST]
    assert time.waits == 0


@pytest.mark.parametrize("rate", [0.0, 10_000.0])
def test_it_stops_when_told(rate: float) -> None:
    time = FakeTime(stop_at=0.5)
    slices = _play(Pacer(rate, time, time.monotonic), time, 10**9, cost_s=1e-6)
    assert 0.49 <= time.now - 100.0 < 0.6
    assert slices[-1][1] < 10**9
