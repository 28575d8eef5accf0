"""Commands of many callers in few round trips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from headrace import topology
from headrace.endpoints import VARIABLES, Endpoints
from headrace.errors import Transient
from headrace.serve.context import Context
from headrace.serve.entities.client import CONNECTIONS, MAX_COMMANDS, Keys
from tests.serve.server import ROOT


def connected_to(where: Endpoints, patch: pytest.MonkeyPatch) -> Keys:
    for name, variable in VARIABLES.items():
        patch.setenv(variable, getattr(where, name))
    return Keys(Context(ROOT, topology.load(ROOT)))


@pytest.fixture
async def keys(stack: Endpoints, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keys]:
    found = connected_to(stack, monkeypatch)
    yield found
    await found.close()


@pytest.mark.services
async def test_each_caller_gets_its_own_answers_of_a_shared_round_trip(keys: Keys) -> None:
    async def ask(number: int) -> list[object]:
        return await keys.ask([("ECHO", number), ("SET", f"keys:{number}", number)])

    found = await asyncio.gather(*(ask(number) for number in range(3 * MAX_COMMANDS // 2)))
    assert [answers[0] for answers in found] == [b"%d" % n for n in range(len(found))]
    assert len(await keys.ask([("CLIENT", "LIST")])) == 1
    assert await keys.ask([]) == []
    clients = (await keys.ask([("INFO", "clients")]))[0]
    assert clients["connected_clients"] <= CONNECTIONS + 1


@pytest.mark.services
async def test_a_refused_command_fails_for_its_caller_only(keys: Keys) -> None:
    await keys.ask([("SET", "keys:text", "x")])
    good, bad, cancelled = (
        asyncio.create_task(keys.ask([command]))
        for command in (("GET", "keys:text"), ("HGETALL", "keys:text"), ("GET", "keys:text"))
    )
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await good == [b"x"]
    with pytest.raises(Transient, match="WRONGTYPE"):
        await bad
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_server_that_is_away_fails_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Endpoints("127.0.0.1:1", "http://127.0.0.1:1", "redis://127.0.0.1:1/0")
    keys = connected_to(nowhere, monkeypatch)
    asked = [keys.ask([("PING",)]) for _ in range(4)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, Transient) for error in found)
    await keys.close()
