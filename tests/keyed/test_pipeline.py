"""Keyed state and emitted events on the real Kafka, Redis and ClickHouse, with workers that die."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.apply import apply_all
from headrace.delivery.crash import KEYED_POINTS, VARIABLE
from headrace.endpoints import Endpoints
from tests.keyed.bank import Bank, until
from tests.keyed.project import entry, transfer

#: Steps of a block in which workers die.
DEATHS = ("computed", "intended", "applied_one", *KEYED_POINTS)
SOON_MS = 1_500

pytestmark = [pytest.mark.slow, pytest.mark.services]


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


def test_workers_that_die_in_any_step_change_nothing(bank: Bank, caplog: pytest.LogCaptureFixture):
    """One worker after the other, each in a step of its own, while two others go on."""
    workers, numbers = bank.workers(2), count(step=10)
    workers.start()

    def died(times: int) -> bool:
        first = next(numbers)
        bank.send("transfers", transfers(first, first + 10))
        return caplog.text.count("ended by SIGKILL") >= times

    try:
        for number, point in enumerate(DEATHS):
            workers.env_once = {VARIABLE: f"{point}:{number % 2 + 1}"}
            os.kill(workers.pids[number % 2], signal.SIGKILL)
            until(workers, lambda number=number: died(2 * number + 2))
        bank.send("entries", (entry(n, f"a{n % 7}") for n in range(100)))
        sent = next(numbers)
        bank.drain(workers, lambda: len(bank.events("entries")) == 2 * sent + 100)
    finally:
        workers.stop()
    bank.check()


def test_redis_that_lost_its_tail_is_caught_up_with_the_states(bank: Bank):
    workers = bank.workers(1)
    workers.start()
    try:
        bank.send("entries", (entry(n, f"a{n % 11}") for n in range(300)))
        bank.drain(workers)
        before = {key: bank.redis.dump(key) for key in bank.redis.keys(f"{bank.name}:{{*}}:*")}
        bank.send("entries", (entry(n, f"a{n % 13}", cents=n) for n in range(300, 600)))
        bank.drain(workers)
        bank.redis.delete(*bank.redis.keys(f"{bank.name}:{{*}}:*"))
        for key, value in before.items():
            bank.redis.restore(key, 0, value)
        bank.send("entries", (entry(n, f"a{n % 5}") for n in range(600, 700)))
        bank.drain(workers)
    finally:
        workers.stop()
    assert "catching a sink up" in (bank.root / "workers.log").read_text()
    bank.check()


def test_a_timer_fires_once_also_when_the_worker_that_set_it_is_dead(bank: Bank):
    workers = bank.workers(1)
    workers.start()
    try:
        due = int(time.time() * 1000) + SOON_MS
        holds = [entry(n, f"a{n}", hold_ms=due + n) for n in range(5)]
        bank.send("entries", holds)
        bank.drain(workers)
        os.kill(workers.pids[0], signal.SIGKILL)
        bank.drain(workers, lambda: len(bank.events("notices")) == 5)
        bank.send("entries", [entry(9, "a9", hold_ms=1)])  # due long ago: at once
        bank.drain(workers, lambda: len(bank.events("notices")) == 6)
    finally:
        workers.stop()
    bank.check()
    assert {row["due"] for row in bank.states().values()} == {0}
    assert {row["type"] for row in bank.rows()} == {"released"}
    assert not bank.redis.keys(f"{bank.name}:{{*}}:due:*")


def test_a_record_that_makes_the_agent_raise_is_set_aside_and_no_other(bank: Bank):
    workers = bank.workers(1)
    workers.start()
    try:
        log = [entry(n, "ann", type="bad" if n in (3, 7) else "entry") for n in range(10)]
        bank.send("entries", log)
        bank.drain(workers)
    finally:
        workers.stop()
    assert bank.states()["ann"] == {"entries": 8, "balance": 8, "due": 0}
    assert [row["entries"] for row in bank.events("notices")] == [3, 6]
    good = [f"e{n}" for n in range(10) if n not in (3, 7)]
    assert bank.ids() == good
    # A table that is caught up alone: the agent with state isn't run, and the same are left out.
    bank.command("DROP TABLE {name}.entries SYNC")
    apply_all(bank.root, bank.topology, bank.where)
    assert bank.ids() == []
    workers.start()
    try:
        bank.send("entries", [entry(10, "ann")])
        bank.drain(workers)
    finally:
        workers.stop()
    assert bank.ids() == sorted([*good, "e10"])
    assert bank.states()["ann"]["entries"] == 9
