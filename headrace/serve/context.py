"""What the serving process serves: a project folder and the services it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headrace import endpoints
from headrace.endpoints import Endpoints
from headrace.private.ring import KeyStore
from headrace.topology.model import Topology


@dataclass(frozen=True)
class Context:
    """A project folder and its topology. The schemas are served without any service."""

    root: Path
    topology: Topology
    #: Makes the key ring's store; without one, topics with private fields can't be written to.
    key_store: Callable[[Topology, Endpoints], KeyStore] | None = None

    @cached_property
    def endpoints(self) -> Endpoints:
        """Where the services are; raises ConfigError when one has no address."""
        return endpoints.load(self.root)
