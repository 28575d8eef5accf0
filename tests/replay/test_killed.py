"""A replay killed at every step, with a worker at work, under load, watched by readers."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import orjson
import pytest

from headrace.delivery.crash import REPLAY_POINTS
from tests.replay.project import Load, Project

pytestmark = pytest.mark.slow


class Prober:
    """A reader that asks 100 times a second how much there is."""

    def __init__(self, project: Project) -> None:
        self._client = project.clickhouse
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[tuple[int, int]] = []
        self.failed: list[Exception] = []

    def _run(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + 0.01
            try:
                self.seen += self._client.query(
                    "SELECT count(), sum(n) FROM (SELECT minute, sum(events) AS n FROM by_minute "
                    "GROUP BY minute)"
                ).result_rows
            except Exception as error:
                self.failed.append(error)
            self._stop.wait(max(due - time.monotonic(), 0))

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


def test_killed_at_every_step_under_load_it_ends_right_and_readers_never_see_less(
    project: Project,
):
    with Load(project), Prober(project) as prober:
        for n, point in enumerate(REPLAY_POINTS):
            said = project.headrace("replay", "by_minute", "--rows", "4000", crash=f"{point}:1")
            assert said.returncode == -9, (point, said.stderr)
            assert n == 0 or prober.seen
        said = project.headrace("replay", "by_minute", "--drop-old", "--json")
        assert said.returncode == 0, said.stderr
    assert orjson.loads(said.stdout) == {"dropped": [1]}
    assert not prober.failed
    project.await_truth()
    minutes, events = zip(*prober.seen, strict=True)
    assert min(minutes) > 0
    # What is in flight at the switch may be in the old version a moment earlier than in the new.
    assert all(after >= before - 2_000 for before, after in pairwise(events))
    shown = project.versions()
    assert len(shown) == 2
    assert shown[0] + "__from_events" == shown[1]
    assert project.plan() == []
