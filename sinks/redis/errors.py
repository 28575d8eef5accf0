"""Which of Redis' errors may pass by themselves."""

from __future__ import annotations

import re

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from headrace.errors import Behind, HeadraceError, Terminal, Transient

#: What redis-py raises. Its cluster client has errors of its own, beside the others.
ERRORS = (RedisError, RedisClusterException)
#: Replies that redis-py knows: it cuts their first word off, the type alone tells them apart.
PASSING_TYPES = (
    ConnectionError,  # LOADING, too
    TimeoutError,
    NoScriptError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,  # MASTERDOWN, too
    TryAgainError,
    AskError,  # MOVED, too
    RedisClusterException,
)
#: Before 7.0, Redis puts this in front of the reply that ended a script.
IN_SCRIPT = re.compile(r"Error running script \(call to \w+\): (@user_script: ?\d+: )*-?")
#: First words of other error replies that mean: this server, not now.
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


def classify(error: RedisError | RedisClusterException, what: str) -> HeadraceError:
    """Turn a redis-py error into one with a policy."""
    text = str(error)
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return Terminal(f"{what}: Redis refused the user or password of HEADRACE_REDIS: {text}")
    if isinstance(error, NoPermissionError):
        return Terminal(f"{what}: the user's ACL lacks this (docs/security.md lists it): {text}")
    if isinstance(error, PASSING_TYPES):
        return Transient(f"{what}: {type(error).__name__}: {text}")
    word = _word(error)
    if word in BEHIND:
        return Behind(f"{what}: {BEHIND[word]}: {text}")
    if word in PASSING or not isinstance(error, ResponseError):
        return Transient(f"{what}: {text}")
    return Terminal(f"{what}: {REFUSED.get(word, 'Redis refused')}: {text}")


def demoted(error: BaseException) -> bool:
    """Whether the server is a replica now, so that its connection leads nowhere."""
    return isinstance(error, ReadOnlyError) or _word(error) == "READONLY"


def _word(error: BaseException) -> str:
    """The first word of the server's reply, which is its code."""
    return IN_SCRIPT.sub("", str(error).removeprefix("ERR "), count=1).split(" ", 1)[0]
