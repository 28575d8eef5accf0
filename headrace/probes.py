"""A worker's port for those who watch it: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import orjson

from headrace.errors import ConfigError
from headrace.metrics import Metrics
from headrace.metrics.collector import WorkerCollector, exposition

#: The event loop comes by once a second. Silent for so long, it hangs.
HANGS_S = 30.0
JSON = "application/json"


class Address(NamedTuple):
    """Where to listen; ``str`` is what a browser takes."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From ``host:port``, the form of ``str``."""
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))

    def of_worker(self, index: int) -> Address:
        """The address of one worker of a group."""
        return Address(self.host, self.port + index)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Answer(NamedTuple):
    """Status, content type and body."""

    status: int
    content_type: str
    body: bytes


class Probes:
    """What is asked of a worker; safe to ask from any thread."""

    def __init__(
        self, metrics: Metrics, silence_s: Callable[[], float], failed: Callable[[], object]
    ) -> None:
        """``silence_s``: how long ago the event loop came by; ``failed``: what stopped it."""
        self._metrics = metrics
        self._silence_s = silence_s
        self._failed = failed

    def answer(self, path: str, accept: str) -> Answer:
        """The answer to a GET."""
        if path == "/metrics":
            text, kind = exposition(WorkerCollector(self._metrics), accept)
            return Answer(HTTPStatus.OK, kind, text)
        if path == "/healthz":
            return _verdict("live", self._hangs())
        if path == "/readyz":
            return _verdict("ready", [*self._hangs(), *self._waits()])
        return Answer(HTTPStatus.NOT_FOUND, JSON, b'{"paths":["/metrics","/healthz","/readyz"]}')

    def _hangs(self) -> list[str]:
        silence = self._silence_s()
        return [f"the event loop hangs since {silence:.0f} s"] if silence > HANGS_S else []

    def _waits(self) -> list[str]:
        """A worker without partitions in a stable group is as it should be."""
        if self._failed() is not None:
            return ["the worker is stopping after an error: see its log"]
        reasons = [f"{name}: the last attempt failed" for name in dict(self._metrics.failing)]
        if not self._metrics.joined:
            reasons.append("no assignment from the group yet, or it is rebalancing")
        return reasons


def listen(address: Address, probes: Probes) -> ThreadingHTTPServer:
    """Answer from threads of their own until the process ends. Raises ConfigError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # of a client that says nothing

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status, kind, body = probes.answer(path, self.headers.get("Accept", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

    try:
        server = Server((address.host, address.port), Handler)
    except (OSError, OverflowError) as error:
        raise taken(address, error) from error
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


def check(address: Address) -> None:
    """Raise ConfigError when nobody could listen there now."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except (OSError, OverflowError) as error:
        raise taken(address, error) from error


def taken(address: Address, error: Exception) -> ConfigError:
    """The error of an address where nobody can listen."""
    return ConfigError(
        f"--metrics-port: can't listen on {address}: {error}; worker i takes the "
        f"port {address.port} + i: choose another one, or another --metrics-host"
    )


def _verdict(name: str, reasons: list[str]) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return Answer(status, JSON, orjson.dumps({name: not reasons, "reasons": reasons}))
