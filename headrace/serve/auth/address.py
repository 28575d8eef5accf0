"""The address that a client is known by while it has no name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from headrace.topology.auth import LOOPBACK

#: A household or a server has this much of IPv6 to itself, and takes another address at will.
NETWORK_BITS = 64


def address(scope: Mapping[str, Any]) -> str:
    """``address <IPv4>`` or ``address <IPv6 network>`` of a request's ASGI scope.

    Behind a proxy it is what the proxy says, if uvicorn's FORWARDED_ALLOW_IPS lists the proxy.
    """
    client = scope.get("client")
    return _named(client[0]) if client else "address unknown"


@lru_cache(maxsize=10_000)
def _named(host: str) -> str:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return f"address {host[:64]}"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return f"address {found.ipv4_mapped}"
        return f"address {ipaddress.ip_network((found, NETWORK_BITS), strict=False)}"
    return f"address {found}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
