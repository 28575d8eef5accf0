"""A broker that stops or dies while events come over HTTP: the answers tell the truth."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from headrace import stack as services
from headrace.stack import state
from tests.cli.test_commands import wait
from tests.serve import intake_project
from tests.serve.intake_project import Log
from tests.serve.server import served
from tests.strategies import event

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(200)]
TOPIC = "shop.orders"
CLIENTS = 3


class Clients:
    """Post one event after the other, each with an id of its own, and keep what was answered."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._threads = [threading.Thread(target=self._post, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _post(self, client: int) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            number = 0
            while not self._stopped.is_set():
                number += 1
                name = f"{client}-{number}"
                response = http.post(f"/v1/events/{TOPIC}", json=event(TOPIC, event_id=name))
                self.answers[name] = response.status_code, response.json()

    def count(self, status: int) -> int:
        return sum(answered == status for answered, _ in list(self.answers.values()))

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)


def _kafka(home: Path) -> psutil.Process:
    process = state.read(home)["kafka"].running.process()
    assert process is not None
    return process


def test_stored_is_said_of_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ".headrace"
    monkeypatch.setenv("HEADRACE_HOME", str(home))
    with services.running(tmp_path) as where:
        intake_project.write(tmp_path, where)
        with served(tmp_path) as url:
            clients = Clients(url)
            try:
                wait(lambda: clients.count(200) > 100)
                broker = _kafka(home)
                broker.send_signal(signal.SIGSTOP)
                before = len(clients.answers)
                threading.Event().wait(1)
                assert len(clients.answers) <= before + CLIENTS
                broker.send_signal(signal.SIGCONT)
                wait(lambda: len(clients.answers) > before + 100)
                assert clients.count(503) == 0  # it was away for less than is waited
                broker.kill()
                wait(lambda: clients.count(503) >= CLIENTS)
                services.up(tmp_path, own=True)
                stored = clients.count(200)
                wait(lambda: clients.count(200) > stored + 100)
            finally:
                clients.stop()
        log = Log(where.kafka)
        told = {}
        for name, (status, body) in clients.answers.items():
            (item,) = body["items"]
            if status == 200:
                told[item["partition"], item["offset"]] = name
            else:
                assert (status, item["status"]) == (503, "unknown")
        assert len(told) == clients.count(200)  # no position twice
        for (partition, offset), name in list(told.items())[-50:]:
            assert name.encode() in log.at(TOPIC, partition, offset).value()
        log.close()
