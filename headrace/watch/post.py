"""One POST of one alert event, signed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import orjson

from headrace.clock import Clock
from headrace.errors import Terminal, Transient
from headrace.watch.settings import Target

TIMEOUT_S: Final = 10.0
#: Answers that the same request may not get again.
_AGAIN: Final = frozenset({408, 425, 429})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A signed body goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """What a receiver computes and compares: HMAC-SHA-256 over ``<timestamp>.<body>``."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers(target: Target, event: Mapping[str, Any], body: bytes, now_ms: int) -> dict[str, str]:
    """The same event has the same ``Idempotency-Key`` however often it is sent."""
    timestamp = str(now_ms // 1000)
    found = {
        "Content-Type": "application/json",
        "User-Agent": "headrace",
        "Idempotency-Key": str(event["event_id"]),
        "Headrace-Timestamp": timestamp,
    }
    if target.key is not None:
        key = target.key.reveal().encode()
        found["Headrace-Signature"] = signature(key, timestamp, body)
    return found


def post(target: Target, clock: Clock, event: Mapping[str, Any]) -> None:
    """Return when the receiver has answered with 2xx.

    Raises Terminal for an answer that says it will never take it, Transient for all else.
    """
    body = orjson.dumps(event)
    request = urllib.request.Request(
        target.url.reveal(), body, headers(target, event, body, clock.now_ms()), method="POST"
    )
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        _refused(target, error)
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"webhook at {target.host}: {error}") from error


def _refused(target: Target, error: urllib.error.HTTPError) -> NoReturn:
    problem = f"webhook at {target.host}: answered {error.code} {error.reason}"
    if error.code < 500 and error.code not in _AGAIN:
        raise Terminal(problem) from error
    raise Transient(problem) from error
