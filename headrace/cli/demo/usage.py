"""CPU seconds and memory of the processes that take part, by role."""

from __future__ import annotations

from collections.abc import Mapping

import psutil


class Usage:
    """Samples processes while they live; keeps the last figures of those that ended."""

    def __init__(self) -> None:
        self._pids: dict[int, str] = {}
        self._cpu: dict[int, float] = {}
        self._start: dict[int, float] = {}
        self._rss: dict[str, int] = {}

    def watch(self, role: str, pid: int) -> None:
        """Count this process, from now on, under a role."""
        if pid not in self._pids:
            self._pids[pid] = role
            self._start[pid] = self._read(pid) or 0.0

    def sample(self) -> None:
        """Read all processes' counters."""
        by_role: dict[str, int] = {}
        for pid, role in self._pids.items():
            cpu = self._read(pid)
            if cpu is not None:
                self._cpu[pid] = cpu
                try:
                    by_role[role] = by_role.get(role, 0) + psutil.Process(pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue
        for role, rss in by_role.items():
            self._rss[role] = max(rss, self._rss.get(role, 0))

    @staticmethod
    def _read(pid: int) -> float | None:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            return None
        return float(times.user + times.system + times.children_user + times.children_system)

    def cpu_seconds(self) -> Mapping[str, float]:
        """CPU seconds since ``watch``, by role."""
        total: dict[str, float] = {}
        for pid, role in self._pids.items():
            used = self._cpu.get(pid, self._start[pid]) - self._start[pid]
            total[role] = round(total.get(role, 0.0) + used, 2)
        return total

    def peak_rss(self) -> Mapping[str, int]:
        """Peak of the sampled resident memory in bytes, by role."""
        return dict(self._rss)
