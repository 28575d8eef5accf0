"""A Redis that may throw fences away is refused, on a real server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Terminal
from headrace.sink import Mark
from sinks.redis.writer import RedisSink
from tests.sinks.place import TOPIC, declare

TP = TopicPartition(TOPIC, 0)


@pytest.fixture
def server(stack: Endpoints) -> Iterator[Any]:
    client = redis.Redis.from_url(stack.redis)
    yield client
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "noeviction")
    client.acl_deluser("shy")


async def ask(tmp_path: Path, url: str) -> dict[TopicPartition, Mark]:
    sink = RedisSink(declare(tmp_path), url)
    await sink.start()
    try:
        return await sink.watermarks([TP])
    finally:
        await sink.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
async def test_evicting_any_key_is_refused(stack, server, tmp_path, policy):
    server.config_set("maxmemory-policy", policy)
    assert await ask(tmp_path, stack.redis) == {TP: Mark(-1)}  # nothing is evicted without a limit
    server.config_set("maxmemory", 1 << 30)
    with pytest.raises(Terminal, match=rf"1,073,741,824 bytes.*{policy}.*set maxmemory-policy to"):
        await ask(tmp_path, stack.redis)


async def test_evicting_what_has_a_ttl_is_warned_of(stack, server, tmp_path, caplog):
    server.config_set("maxmemory-policy", "volatile-lru")
    server.config_set("maxmemory", 1 << 30)
    with caplog.at_level(logging.WARNING):
        assert await ask(tmp_path, stack.redis) == {TP: Mark(-1)}
    assert "features with a ttl may vanish" in caplog.text


async def test_a_user_that_may_not_ask_is_let_through_with_a_warning(
    stack, server, tmp_path, caplog
):
    server.acl_setuser("shy", enabled=True, passwords=["+pw"], keys=["*"], commands=["+hmget"])
    with caplog.at_level(logging.WARNING):
        url = stack.redis.replace("redis://", "redis://shy:pw@")
        assert await ask(tmp_path, url) == {TP: Mark(-1)}
    assert "can't see whether it evicts keys" in caplog.text
