"""What a commit's connection is told before it is used: on real sockets, one of them closed."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError

from headrace.transport.thread import DROP_UNSENT, _never_late


def coordinator(raw: socket.socket) -> Any:
    writer = SimpleNamespace(get_extra_info=lambda name: raw if name == "socket" else None)

    async def ready(node: int, group: ConnectionGroup) -> bool:
        return True

    connections = {(7, ConnectionGroup.COORDINATION): SimpleNamespace(_writer=writer)}
    return SimpleNamespace(
        coordinator_id=7, _client=SimpleNamespace(ready=ready, _conns=connections)
    )


async def test_what_was_not_delivered_is_dropped_with_the_connection():
    with socket.socket() as raw:
        await _never_late(coordinator(raw))
        linger = raw.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(DROP_UNSENT))
        assert linger == DROP_UNSENT


async def test_a_connection_that_was_just_closed_is_like_one_that_breaks():
    raw = socket.socket()
    raw.close()
    with pytest.raises(KafkaConnectionError, match="is closed"):
        await _never_late(coordinator(raw))
