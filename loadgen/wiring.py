"""Where streams go: topic, partitions and schema id, from topology.yaml and the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from headrace.errors import ConfigError
from headrace.topology.model import Topology
from loadgen.rows import STREAMS

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = Path("schemas") / "registry.json"
#: Version of every contract that ``encoding`` writes.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Route:
    """One stream's way into Kafka."""

    topic: str
    partitions: int
    schema_id: int


Wiring = Mapping[str, Route]


def wire(topology: Topology, root: Path = ROOT) -> Wiring:
    """Find each stream's topic (the one whose schema bears its name) and schema id.

    Raises ConfigError when a stream has no topic, or more than one, or no registered schema.
    """
    ids = _ids(root / REGISTRY)
    routes = {}
    for stream in STREAMS:
        topics = [name for name, topic in topology.topics.items() if topic.schema_ == stream]
        if len(topics) != 1:
            raise ConfigError(
                f"topology.yaml: the generator needs exactly one topic with schema {stream!r}, "
                f"found {topics!r}"
            )
        if stream not in ids:
            raise ConfigError(
                f"{REGISTRY}: subject {stream!r} has no version {SCHEMA_VERSION}: "
                "run 'headrace schemas register'"
            )
        routes[stream] = Route(topics[0], topology.partitions(topics[0]), ids[stream])
    return routes


def project(root: Path = ROOT) -> Wiring:
    """The wiring of the project's own topology.yaml."""
    raw = yaml.safe_load((root / "topology.yaml").read_text())
    return wire(Topology.model_validate(raw), root)


def _ids(path: Path) -> dict[str, int]:
    try:
        subjects = orjson.loads(path.read_bytes())["subjects"]
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: not found; it gives each schema its id") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a registry ({error!r})") from error
    return {
        subject: entry["id"]
        for subject, versions in subjects.items()
        for entry in versions
        if entry["version"] == SCHEMA_VERSION
    }
