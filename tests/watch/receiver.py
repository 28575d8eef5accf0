"""A webhook's receiver: a real HTTP server that answers as it is told, and keeps what it got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

HANG_UP = 0


class Got(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """``answers`` are used up one a request; then it is 204."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[Got] = []
        self.took: list[Got] = []
        self.changed = threading.Condition()
        self.url = ""

    def wait(self, enough: int, timeout: float = 30.0) -> None:
        """Until so many were taken."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.took) >= enough, timeout), self.got

    def take(self, got: Got) -> int:
        with self.changed:
            self.got.append(got)
            answer = self.answers.pop(0) if self.answers else 204
            if 200 <= answer < 300:
                self.took.append(got)
            self.changed.notify_all()
            return answer


@contextmanager
def receiving(*answers: int) -> Iterator[Receiver]:
    """A receiver that listens; ``HANG_UP`` closes the connection without an answer."""
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = receiver.take(Got(dict(self.headers), body))
            if answer != HANG_UP:
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
