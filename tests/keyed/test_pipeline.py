"""Keyed state and emitted events on the real Kafka, Redis and ClickHouse, with workers that die."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.endpoints import Endpoints
from tests.keyed.bank import Bank
from tests.keyed.project import transfer

pytestmark = pytest.mark.services


@pytest.fixture
def bank(stack: Endpoints, tmp_path: Path) -> Bank:
    return Bank(tmp_path, stack)


def transfers(first: int, behind: int, accounts: int = 20) -> Iterator[dict[str, Any]]:
    dice = random.Random(first)
    for number in range(first, behind):
        payer, payee = dice.sample(range(accounts), 2)
        yield transfer(number, f"a{payer}", f"a{payee}", dice.randrange(1, 1000))


def test_states_and_emitted_events_are_what_the_log_says(bank: Bank):
    workers = bank.workers(1)
    workers.start()
    try:
        bank.send("transfers", transfers(0, 2_000))
        bank.drain(workers, lambda: len(bank.events("entries")) == 4_000)
    finally:
        workers.stop()
    bank.check()
    assert sum(state["balance"] for state in bank.states().values()) == 0
    assert len(bank.log("entries")) == 4_000  # nobody died, so nothing was sent twice
