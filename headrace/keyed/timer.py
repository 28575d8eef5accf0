"""The event that tells an agent that a key is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.topology.model import Topology

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timer_id(agent: str, key: str, due: int) -> str:
    """The event's id: sent again for the same time it is the same, and ``dedupe`` drops it."""
    return f"timer:{agent}:{key}:{due}"


def timer_event(topology: Topology, agent: str, key: str, due: int) -> dict[str, Any]:
    """The event, as ``Encoder.encode`` takes it, for the topic that the agent reads."""
    declared = topology.agents[agent]
    topic, timer = topology.topics[declared.reads[0]], declared.timer
    assert timer is not None
    at = (EPOCH + timedelta(milliseconds=due)).isoformat(timespec="milliseconds")
    event = {**timer.event, timer.at: at, topic.key: key}
    if topic.dedupe is not None:
        event[topic.dedupe.key] = timer_id(agent, key, due)
    return event
