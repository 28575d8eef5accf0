"""Alerts: what one cause did to the series of a group, and its record in the topic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

MINUTE_MS = 60_000


@dataclass(slots=True)
class Member:
    """A series of an alert. ``ended`` is 0 while it is out of bounds; minutes since the epoch."""

    watch: str
    metric: str
    labels: dict[str, str]
    started: int
    change: float
    ended: int = 0


@dataclass(slots=True)
class Alert:
    """An alert and its members. ``at`` is the minute whose judgement opened it.

    ``silent`` is one past the daily cap; ``told`` says whether its opening was.
    """

    id: str
    group: str
    at: int
    started: int
    silent: bool
    told: bool = False
    members: list[Member] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether any series is still out of bounds."""
        return any(not member.ended for member in self.members)


@dataclass(frozen=True, slots=True)
class Group:
    """See ``headrace.topology.anomalies.AlertGroup``."""

    owner: str
    severity: str
    within: int
    daily_cap: int


def identity(group: str, watch: str, labels: Mapping[str, str], started: int) -> str:
    """The id of the alert that this series began: the same whenever it is computed."""
    text = "\n".join([group, watch, *(f"{k}={v}" for k, v in labels.items()), str(started)])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def event(
    alert: Alert, group: Group, state: Literal["opened", "resolved"], minute: int, silenced: int
) -> dict[str, Any]:
    """The record of a change of state, as schema ``alerts`` has it. Times in ms since the epoch."""
    return {
        "event_id": f"{alert.id}.{state}",
        "alert_id": alert.id,
        "state": state,
        "group": alert.group,
        "owner": group.owner,
        "severity": group.severity,
        "started_at": alert.started * MINUTE_MS,
        "judged_at": (minute + 1) * MINUTE_MS,
        "ended_at": None if state == "opened" else max(m.ended for m in alert.members) * MINUTE_MS,
        "silenced": silenced,
        "series": [
            {
                "watch": member.watch,
                "metric": member.metric,
                "labels": member.labels,
                "started_at": member.started * MINUTE_MS,
                "change": member.change,
            }
            for member in alert.members
        ],
    }


def plain(alert: Alert) -> dict[str, Any]:
    """As msgpack takes it."""
    return asdict(alert)


def restored(state: Mapping[str, Any]) -> Alert:
    """The opposite of ``plain``."""
    members = [Member(**member) for member in state["members"]]
    return Alert(**{**state, "members": members})
