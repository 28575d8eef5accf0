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

from headrace.errors import Behind, HeadraceError, Terminal, Transient

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
#: What apply.lua refuses: errors that reading the fence again can mend, and those it can't.
BEHIND = {
    "BEHIND": "Redis lost what it had applied",
    "UNFINISHED": "another block was begun and must be finished first",
}
REFUSED = {
    "REPLANNED": "Redis holds the beginning of this block as other code computed it; run the "
    "agents' former version until it has passed this block, then deploy again",
    "STRADDLES": "Redis holds a part of this block: the group's offsets were set into the middle "
    "of what was applied; set them to the offset after 'done'",
}


def classify(error: RedisError, what: str) -> HeadraceError:
    """Turn a redis-py error into one with a policy."""
    text = str(error)
    if isinstance(error, ConnectionError | TimeoutError | BusyLoadingError | NoScriptError):
        return Transient(f"{what}: {error!r}")
    word = text.removeprefix("ERR ").split(" ", 1)[0]
    if word in BEHIND:
        return Behind(f"{what}: {BEHIND[word]}: {text}")
    if word in PASSING or not isinstance(error, ResponseError):
        return Transient(f"{what}: {text}")
    return Terminal(f"{what}: {REFUSED.get(word, 'Redis refused')}: {text}")
