"""The registry that a topology names: the project's own lock, or an external one."""

from __future__ import annotations

from pathlib import Path

from headrace.schema import Registry
from headrace.topology.model import Topology


def registry_of(root: Path, topology: Topology) -> Registry:
    """Raises ConfigError if schemas differ from it, Transient if it does not answer."""
    if topology.schema_registry is None:
        return Registry.load(root)
    from headrace.schema.external import connect

    topics = {name: topic.schema_ for name, topic in topology.topics.items()}
    return connect(root, topology.schema_registry, topics)
