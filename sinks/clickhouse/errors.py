"""Which of ClickHouse's errors may pass by themselves."""

from __future__ import annotations

import re

import aiohttp
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)

from headrace.errors import HeadraceError, Terminal, Transient

#: What a request may fail with, besides bugs.
FAILURES = (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError)

#: Exception codes that say "not now", by what they are about. Names as in ClickHouse's
#: src/Common/ErrorCodes.cpp (a test asks the server). None is about the data of an INSERT.
NETWORK = {
    3: "UNEXPECTED_END_OF_FILE",  # the connection broke inside the data
    95: "CANNOT_READ_FROM_SOCKET",
    96: "CANNOT_WRITE_TO_SOCKET",
    198: "DNS_ERROR",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    279: "ALL_CONNECTION_TRIES_FAILED",
}
LOAD = {
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",  # how long a query would take depends on what else runs
    201: "QUOTA_EXCEEDED",  # quotas are by interval
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    252: "TOO_MANY_PARTS",  # merges will catch up
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",  # waited too long for a lock, of an ALTER for example
    745: "SERVER_OVERLOADED",
    749: "TCP_CONNECTION_LIMIT_REACHED",
    762: "HTTP_CONNECTION_LIMIT_REACHED",
    1019: "QUERY_SLOT_ACQUISITION_TIMEOUT",
}
MEMORY = {
    173: "CANNOT_ALLOCATE_MEMORY",
    239: "CANNOT_MUNMAP",
    240: "CANNOT_MREMAP",
    241: "MEMORY_LIMIT_EXCEEDED",
    777: "MEMORY_RESERVATION_KILLED",
    778: "MEMORY_RESERVATION_FAILED",
    1020: "MEMORY_RESERVATION_ACQUISITION_TIMEOUT",
}
#: A full disk has many names: seen were 243 (the check before a part is written), 76 and 1001 (no
#: inodes left). ClickHouse itself retries on all of these where it retries.
DISK = {
    24: "CANNOT_WRITE_TO_OSTREAM",
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE",
    172: "CANNOT_CREATE_DIRECTORY",
    204: "CANNOT_FSYNC",
    243: "NOT_ENOUGH_SPACE",
    246: "CORRUPTED_DATA",  # seen: a part that a merge left on a full disk; a restart mends it
    364: "RECEIVED_ERROR_TOO_MANY_REQUESTS",  # from S3
    499: "S3_ERROR",
    500: "AZURE_BLOB_STORAGE_ERROR",
    586: "CANNOT_CREATE_FILE",
    641: "CANNOT_APPEND_TO_FILE",
}
READ_ONLY = {
    164: "READONLY",  # an administrator's switch on the user; ClickHouse's own clients retry it
    242: "TABLE_IS_READ_ONLY",  # the replica has lost its Keeper session
    774: "TABLE_IS_PERMANENTLY_READ_ONLY",  # until somebody resets the setting table_readonly
}
REPLICAS = {
    225: "NO_ZOOKEEPER",
    244: "UNEXPECTED_ZOOKEEPER_ERROR",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    319: "UNKNOWN_STATUS_OF_INSERT",
    416: "REPLICA_STATUS_CHANGED",
    999: "KEEPER_EXCEPTION",
}
STOPPING = {
    236: "ABORTED",  # the server shuts down
    394: "QUERY_WAS_CANCELLED",
    677: "THREAD_WAS_CANCELED",
    722: "ASYNC_LOAD_WAIT_FAILED",  # a table that is still being loaded
    733: "TABLE_IS_BEING_RESTARTED",
    735: "QUERY_WAS_CANCELLED_BY_CLIENT",
}
#: What the operating system or a library under ClickHouse said. That a block is at fault is not
#: known, and stopping would take the worker's other partitions along: try again, and say so.
SYSTEM = {
    411: "PTHREAD_ERROR",
    425: "SYSTEM_ERROR",
    460: "CANNOT_CREATE_TIMER",  # seen: too many open files
    573: "EPOLL_ERROR",
    1000: "POCO_EXCEPTION",
    1001: "STD_EXCEPTION",  # seen: no inodes left
    1002: "UNKNOWN_EXCEPTION",
}
PASSING = NETWORK | LOAD | MEMORY | DISK | READ_ONLY | REPLICAS | STOPPING | SYSTEM

#: The server's text, where a proxy took the header with the code away. Only at its start: what
#: comes later may quote data.
_CODE = re.compile(
    r"(?:HTTP driver received HTTP status \d+, server response: )?Code: (\d+)[.,] DB::\w*Exception"
)


def code_of(error: Exception) -> int | None:
    """ClickHouse's exception code; None when the failure isn't an answer of ClickHouse."""
    if not isinstance(error, ClickHouseError):
        return None  # aiohttp's errors have a ``code`` too: the HTTP status
    code: int | None = getattr(error, "code", None)  # the header X-ClickHouse-Exception-Code
    if code is not None:
        return code
    match = _CODE.match(str(error))
    return int(match[1]) if match else None


def classify(error: Exception, what: str) -> HeadraceError:
    """Turn a failed request into an error with a policy.

    With an exception code of ClickHouse that decides. Without one the request did not get through
    or its answer was lost, and the same insert with the same token may be sent again; unless the
    client itself would not send it.
    """
    code = code_of(error)
    if code is None:
        if _unsendable(error):
            return Terminal(f"{what}: the client refused: {error}")
        return Transient(f"{what}: {error!r}")
    if code in PASSING:
        return Transient(f"{what}: {error}")
    return Terminal(f"{what}: ClickHouse refused: {error}")


def _unsendable(error: Exception) -> bool:
    """Whether the client refused, for example a setting that the user's profile forbids.

    Not when it was closed meanwhile ("session …"): the next try gets another client.
    """
    refused = isinstance(error, (ProgrammingError, InterfaceError, NotSupportedError))
    return refused and "session" not in str(error)
