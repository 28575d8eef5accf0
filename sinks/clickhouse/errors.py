"""Which of ClickHouse's errors may pass by themselves."""

from __future__ import annotations

import re

from headrace.errors import HeadraceError, Terminal, Transient

#: Exception codes (src/Common/ErrorCodes.cpp) that say: not now.
PASSING = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE: the connection broke inside the data
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY
        173,  # CANNOT_ALLOCATE_MEMORY
        198,  # DNS_ERROR
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        999,  # KEEPER_EXCEPTION
    }
)
_CODE = re.compile(r"[Cc]ode:?\s*(\d+)")


def classify(error: Exception, what: str) -> HeadraceError:
    """Turn a failed request into an error with a policy.

    With an exception code of ClickHouse that decides. Without one the request did not get through
    or its answer was lost: the same insert with the same token may be sent again.
    """
    message = str(error)
    code = _CODE.search(message)
    if code is None:
        return Transient(f"{what}: {error!r}")
    if int(code[1]) in PASSING:
        return Transient(f"{what}: {message}")
    return Terminal(f"{what}: ClickHouse refused: {message}")
