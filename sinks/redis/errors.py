"""Which of Redis' errors may pass by themselves."""

from __future__ import annotations

from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from headrace.errors import Behind, Fenced, HeadraceError, Terminal, Transient

#: First words of error replies that mean: this server, not now.
PASSING = (
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "BUSY",
    "OOM",
    "NOREPLICAS",
    "MISCONF",
    "NOSCRIPT",
    "ORDER",
)


def classify(error: RedisError, what: str) -> HeadraceError:
    """Turn a redis-py error into one with a policy."""
    text = str(error)
    if isinstance(error, ConnectionError | TimeoutError | BusyLoadingError | NoScriptError):
        return Transient(f"{what}: {error!r}")
    word = text.removeprefix("ERR ").split(" ", 1)[0]
    if word == "BEHIND":
        return Behind(f"{what}: Redis lost what it had applied: {text}")
    if word == "UNFINISHED":
        return Fenced(f"{what}: another block was begun and must be finished first: {text}")
    if word in PASSING or not isinstance(error, ResponseError):
        return Transient(f"{what}: {text}")
    return Terminal(f"{what}: Redis refused: {text}")
