"""From series that leave their bounds to alerts: one for what happens together, and few a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.anomaly.alert import MINUTE_MS, Alert, Group, Member, event, identity, plain, restored
from headrace.anomaly.detector import Change

DAY = 86_400_000 // MINUTE_MS


class Grouping:
    """The alerts that are open, and how many each group had today."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups
        self._alerts: list[Alert] = []
        self._today: dict[str, tuple[int, int]] = {}  # day and alerts by group
        self._silenced: dict[str, int] = {}

    def take(
        self, minute: int, group: str, watch: str, metric: str, by: Iterable[str],
        changes: Iterable[Change],
    ) -> None:  # fmt: skip
        """Note what a watch found at a minute; ``settle`` says what becomes of it."""
        names = tuple(by)
        for change in changes:
            labels = dict(zip(names, change.labels, strict=True))
            if change.state == "opened":
                member = Member(watch, metric, labels, change.minute, change.change)
                self._open(minute, group, member)
            else:
                self._end(watch, labels, change.minute)

    def settle(self, minute: int) -> list[dict[str, Any]]:
        """The events of a minute whose watches have all been taken."""
        events = []
        for alert in self._alerts:
            group = self._groups[alert.group]
            if not alert.told and not alert.silent:
                alert.told = True
                silenced = self._silenced.pop(alert.group, 0)
                events.append(event(alert, group, "opened", minute, silenced))
            if not alert.is_open and not alert.silent:
                events.append(event(alert, group, "resolved", minute, 0))
        self._alerts = [alert for alert in self._alerts if alert.is_open]
        return events

    def end_all(self, minute: int, watches: Iterable[str]) -> None:
        """End the series of all watches but these."""
        kept = set(watches)
        for alert in self._alerts:
            for member in alert.members:
                if member.watch not in kept and not member.ended:
                    member.ended = minute

    def dump(self) -> dict[str, Any]:
        """The state, as msgpack takes it."""
        return {
            "alerts": [plain(alert) for alert in self._alerts],
            "today": self._today,
            "silenced": self._silenced,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on where another was; alerts of groups that are gone are dropped."""
        alerts = [restored(found) for found in state["alerts"]]
        self._alerts = [alert for alert in alerts if alert.group in self._groups]
        self._today = {name: (day, n) for name, (day, n) in state["today"].items()}
        self._silenced = dict(state["silenced"])

    def _open(self, minute: int, group: str, member: Member) -> None:
        within = self._groups[group].within
        for alert in reversed(self._alerts):
            if alert.group == group and minute - alert.at <= within:
                alert.members.append(member)
                return
        day, number = self._today.get(group, (0, 0))
        number = number + 1 if day == minute // DAY else 1
        self._today[group] = (minute // DAY, number)
        silent = number > self._groups[group].daily_cap
        if silent:
            self._silenced[group] = self._silenced.get(group, 0) + 1
        name = identity(group, member.watch, member.labels, member.started)
        self._alerts.append(Alert(name, group, minute, member.started, silent, members=[member]))

    def _end(self, watch: str, labels: Mapping[str, str], minute: int) -> None:
        for alert in self._alerts:
            for member in alert.members:
                if member.watch == watch and member.labels == labels and not member.ended:
                    member.ended = minute
