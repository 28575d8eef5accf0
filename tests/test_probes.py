"""What a worker answers to probes; tests/serve/test_pipeline.py asks a real one."""

import json

import pytest

from headrace.metrics import Metrics
from headrace.probes import HANGS_S, Address, Probes


@pytest.fixture
def metrics():
    return Metrics()


def ask(metrics, path, silence_s=0.5, failed=None):
    answer = Probes(metrics, lambda: silence_s, lambda: failed).answer(path, "")
    return answer.status, json.loads(answer.body).get("reasons")


def test_a_worker_is_ready_once_the_group_has_told_it_what_is_its(metrics):
    status, reasons = ask(metrics, "/readyz")
    assert (status, len(reasons)) == (503, 1)
    metrics.took(0)
    assert ask(metrics, "/readyz") == (200, [])
    metrics.gave_up()
    assert ask(metrics, "/readyz")[0] == 503


def test_a_sink_that_fails_makes_it_wait_and_an_error_stops_it(metrics):
    metrics.took(4)
    metrics.sink_retried("redis", 1)
    assert ask(metrics, "/readyz") == (503, ["redis: the last attempt failed"])
    assert ask(metrics, "/healthz") == (200, [])
    assert "stopping" in ask(metrics, "/readyz", failed=ValueError("Erika"))[1][0]


def test_a_loop_that_hangs_is_not_alive(metrics):
    metrics.took(4)
    for path in ("/healthz", "/readyz"):
        assert ask(metrics, path, HANGS_S - 1) == (200, [])
        assert ask(metrics, path, HANGS_S + 1)[0] == 503
    assert ask(metrics, "/")[0] == 404


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:9101"])
def test_addresses_are_read_as_they_are_written(text):
    address = Address.parse(text)
    assert str(address) == text
    assert address.of_worker(2).port == address.port + 2
