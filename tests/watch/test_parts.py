"""The parts of the watching process that need no services."""

from __future__ import annotations

import pytest

from headrace.block import TopicPartition
from headrace.clock import ManualClock
from headrace.errors import ConfigError, Terminal, Transient
from headrace.lag import Lag
from headrace.security.secret import Secret
from headrace.watch import settings
from headrace.watch.post import post
from headrace.watch.progress import ByEvents, ByPositions
from headrace.watch.settings import Target
from tests.watch.receiver import HANG_UP, receiving

TP = TopicPartition("t", 0)
MINUTE_MS = 60_000
EVENT = {"event_id": "a.opened"}


def test_by_events_a_minute_is_complete_when_there_are_later_ones() -> None:
    assert ByEvents(2).complete(None) is None
    assert ByEvents(2).complete(10) == 7


def test_by_positions_a_minute_is_complete_when_what_was_there_after_it_is_applied() -> None:
    clock = ManualClock(100 * MINUTE_MS + 1)
    lags = {TP: Lag(0, 50, 40)}
    progress = ByPositions(2, clock, lambda: lags)
    assert progress.complete(None) is None  # 50 was the end at minute 100
    clock.advance(300)
    lags = {TP: Lag(0, 90, 49)}
    assert progress.complete(None) is None
    clock.advance(60)
    lags = {TP: Lag(0, 95, 50)}
    assert progress.complete(None) == 100 - 2 - 1  # not as of now: 95 is not applied
    lags = {TP: Lag(0, 95, 95)}
    assert progress.complete(None) == 106 - 2 - 1


def test_by_positions_minutes_pass_without_any_event() -> None:
    clock = ManualClock(100 * MINUTE_MS)
    other, gone = TopicPartition("t", 1), TopicPartition("t", 2)
    lags = {TP: Lag(0, 5, 5), other: EMPTY, gone: Lag(7, 7, None)}  # retention was quicker
    progress = ByPositions(1, clock, lambda: lags)
    assert progress.complete(None) == 98
    clock.advance(180)
    assert progress.complete(None) == 101


EMPTY = Lag(0, 0, None)


@pytest.mark.parametrize("answer", [500, 503, 408, 429, HANG_UP])
def test_what_may_succeed_later_is_transient(answer: int) -> None:
    with receiving(answer) as receiver, pytest.raises(Transient, match=r"127\.0\.0\.1"):
        post(Target(Secret(receiver.url), None), ManualClock(), EVENT)


@pytest.mark.parametrize("answer", [302, 400, 404, 410])
def test_what_never_will_is_terminal(answer: int) -> None:
    with receiving(answer) as receiver, pytest.raises(Terminal, match=str(answer)) as caught:
        post(Target(Secret(receiver.url), None), ManualClock(), EVENT)
    assert "/hook" not in str(caught.value)


def test_nobody_there_is_transient() -> None:
    with receiving() as receiver:
        target = Target(Secret(receiver.url), None)
        post(target, ManualClock(5_000), EVENT)
        (got,) = receiver.took
    assert got.headers["Idempotency-Key"] == "a.opened"
    assert got.headers["Headrace-Timestamp"] == "5"
    assert "Headrace-Signature" not in got.headers
    with pytest.raises(Transient, match="refused"):
        post(target, ManualClock(), EVENT)


def test_the_webhook_is_named_by_the_environment() -> None:
    assert settings.load({}) is None
    url = "https://hooks.example/T0/secret"
    target = settings.load({"HEADRACE_WEBHOOK_URL": url, "HEADRACE_WEBHOOK_SECRET": "k"})
    assert target is not None
    assert target.host == "hooks.example"
    assert "T0" not in repr(target)


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"URL": "hooks.example"}, "HEADRACE_WEBHOOK_URL: write the whole address"),
        ({"SECRET": "k"}, "HEADRACE_WEBHOOK_SECRET: there is nothing to sign"),
        ({"URI": "http://a"}, "did you mean HEADRACE_WEBHOOK_URL"),
    ],
)
def test_wrong_settings_are_told_by_name(variables: dict[str, str], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        settings.load({f"HEADRACE_WEBHOOK_{name}": text for name, text in variables.items()})
