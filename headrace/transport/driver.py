"""The Faust transport under the URL scheme ``headrace://``."""

from __future__ import annotations

from typing import ClassVar

from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver

from headrace.transport.consumer import BlockConsumer

SCHEME = "headrace"


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with block-wise consumption."""

    Consumer: ClassVar[type[BlockConsumer]] = BlockConsumer
    driver_version = f"headrace+{driver.Transport.driver_version}"


def register() -> None:
    """Let Faust resolve ``headrace://`` broker URLs."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


def broker_url(bootstrap: str) -> str:
    """Turn ``host:port[,host:port]`` into the form that Faust takes."""
    return ";".join(f"{SCHEME}://{address.strip()}" for address in bootstrap.split(","))
