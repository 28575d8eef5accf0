"""How often a client may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.serve.auth.address import address, is_loopback
from headrace.serve.auth.limits import Buckets, headers
from headrace.serve.problems import Problem
from headrace.topology.auth import Rate


@given(
    st.floats(0.1, 1000), st.integers(1, 50),
    st.lists(st.integers(0, 3_000), min_size=1, max_size=200),
)  # fmt: skip
def test_no_client_gets_more_than_its_burst_and_its_rate(
    per_s: float, burst: int, pauses_ms: list[int]
) -> None:
    clock = ManualClock()
    buckets = Buckets(Rate(per_s=per_s, burst=burst), clock)
    taken: list[float] = []
    for pause in pauses_ms:
        clock.advance(pause / 1000)
        try:
            buckets.take("ann")
        except Problem as problem:
            wait = float((problem.headers or {})["Retry-After"])
            assert 1 <= wait <= 1 / per_s + 1
        else:
            taken.append(clock.monotonic())
    for i, begin in enumerate(taken):
        for n, end in enumerate(taken[i:], 1):
            assert n <= burst + (end - begin) * per_s + 1e-6


def test_who_waits_as_told_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    buckets = Buckets(Rate(per_s=0.5, burst=3), clock)
    left = [buckets.take("ann").left for _ in range(3)]
    assert left == [2, 1, 0]
    with pytest.raises(Problem) as caught:
        buckets.take("ann")
    assert caught.value.status == 429
    told = dict(caught.value.headers or {})
    assert told == {
        "Retry-After": "2", "RateLimit-Policy": '"client";q=3;w=6', "RateLimit": '"client";r=0;t=6',
    }  # fmt: skip
    assert buckets.take("bob").left == 2, "another client's bucket is its own"
    clock.advance(2)
    assert headers(buckets, buckets.take("ann")) == [
        (b"ratelimit-policy", b'"client";q=3;w=6'),
        (b"ratelimit", b'"client";r=0;t=6'),
    ]


def test_memory_is_bounded_whoever_comes() -> None:
    buckets = Buckets(Rate(per_s=1, burst=1), ManualClock(), max_clients=100)
    buckets.take("first")
    for n in range(1_000):
        buckets.take(f"client {n}")
    assert len(buckets._held) == 100
    buckets.take("first")  # forgotten, so full again


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("198.51.100.7", "address 198.51.100.7"),
        ("::ffff:198.51.100.7", "address 198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        ("somewhere", "address somewhere"),
    ],
)
def test_clients_without_a_name(host: str, named: str) -> None:
    assert address({"client": (host, 1)}) == named
    assert address({"client": None}) == "address unknown"


def test_what_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "localhost", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.1", "example.com", "")))
