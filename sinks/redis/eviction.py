"""Refuses a Redis that throws away keys when it is full: fences could be among them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import NoPermissionError

from headrace.errors import Terminal

log = logging.getLogger(__name__)


async def check(client: Any) -> None:
    """Raise Terminal when a server may evict fences; warn when it may evict features.

    Without a fence a partition looks as if nothing had been applied, and would be applied again to
    the data that is still there. Raises what redis-py raises when a server does not answer.
    """
    try:
        found = await _info(client)
    except NoPermissionError as error:
        log.warning("redis: can't see whether it evicts keys (INFO is refused): %s", error)
        return
    for memory in found:
        policy, most = memory.get("maxmemory_policy", "noeviction"), memory.get("maxmemory", 0)
        if not most or policy == "noeviction":
            continue
        what = f"redis evicts keys past {most:,} bytes (maxmemory-policy {policy})"
        if policy.startswith("allkeys"):
            raise Terminal(
                f"{what}, also the fences that say what is applied; set maxmemory-policy to "
                f"noeviction: then a full Redis makes its partitions wait, and nothing is lost"
            )
        log.warning("%s: features with a ttl may vanish before it", what)


async def _info(client: Any) -> Iterator[Mapping[str, Any]]:
    """INFO memory of every server that takes writes."""
    if isinstance(client, RedisCluster):
        answers = await client.info("memory", target_nodes=RedisCluster.PRIMARIES)
        several = all(isinstance(part, Mapping) for part in answers.values())
        return iter(answers.values() if several else [answers])
    return iter([await client.info("memory")])
