"""One pipeline for all tests of replays, at work all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.endpoints import Endpoints
from tests.replay.project import Project

EVENTS = 30_000


@pytest.fixture(scope="package")
def project(stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Events in the log, all applied, and a worker that goes on."""
    made = Project(tmp_path_factory.mktemp("replay"), stack)
    made.send(EVENTS)
    worker = made.worker()
    worker.start()
    try:
        made.await_truth()
        yield made
    finally:
        worker.stop()
