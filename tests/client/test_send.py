"""Sending while the producer's queue is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from headrace import topology
from headrace.block import Header
from headrace.client import send
from headrace.private.ring import KeyRing
from tests.strategies import event

ROOT = Path(__file__).resolve().parents[2]


class Full:
    """Stands for a producer whose queue is full until it has been polled twice."""

    def __init__(self, _: object) -> None:
        self._polled = 0

    def list_topics(self, topic: str | None, timeout: float) -> Any:
        return SimpleNamespace(topics={"shop.orders": None})

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        headers: list[Header],
        on_delivery: Callable[..., None],
    ) -> None:
        if self._polled < 2:
            raise BufferError("Local: Queue full")
        on_delivery(None, SimpleNamespace(offset=lambda: 0, partition=lambda: 0))

    def poll(self, timeout: float) -> None:
        self._polled += 1

    def flush(self, timeout: float) -> int:
        return 0

    def __len__(self) -> int:
        return 0


def _no_ring() -> KeyRing:
    raise AssertionError("the shop's orders have no private fields")


def test_a_full_queue_is_waited_for(monkeypatch):
    monkeypatch.setattr(send, "Producer", Full)
    producer = send.EventProducer(ROOT, topology.load(ROOT), "shop.orders", "nowhere", _no_ring)
    told: list[tuple[int, str]] = []
    outcome = producer.send([orjson.dumps(event("shop.orders"))], lambda *wrong: told.append(wrong))
    assert (outcome.sent, outcome.failed, told) == (1, 0, [])
