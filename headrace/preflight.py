"""What must be so before a worker starts: its topics exist with the declared partitions."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from headrace.errors import ConfigError, Terminal
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology

TIMEOUT_S = 15.0
PATIENCE_S = 5.0
PAUSE_S = 0.2


def check_topics(bootstrap: str, topology: Topology) -> None:
    """Raise ConfigError for missing ACLs or topics or other partition counts, Transient for no
    broker.

    A broker that has just started answers before it knows its topics: it is asked for some seconds.
    """
    grants.check(bootstrap, grants.worker(topology))
    link = Link(bootstrap)
    admin = AdminClient({**link.settings(), "log_level": 0})
    pause, until = threading.Event(), time.monotonic() + PATIENCE_S
    while True:
        metadata = link.metadata(admin, TIMEOUT_S)
        found = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
        problems = compare(found, topology)
        if not problems:
            return
        if time.monotonic() > until:
            raise ConfigError("\n".join(problems))
        pause.wait(PAUSE_S)


def compare(found: Mapping[str, int], topology: Topology) -> list[str]:
    """Say what is wrong with the partition counts found on the broker, a line a topic."""
    problems = []
    wanted = {name: topology.partitions(name) for name in topology.topics}
    for name, count in wanted.items():
        if name not in found:
            problems.append(f"topic {name!r} does not exist: create it with 'headrace apply'")
        elif found[name] != count:
            problems.append(_text(name, count, found[name]))
    letters = [name + topology.dead_letters.suffix for name in wanted]
    problems += [
        f"dead-letter topic {name!r} does not exist: create it with 'headrace apply'"
        for name in letters
        if name not in found
    ]
    return problems


def _text(name: str, declared: int, found: int | str) -> str:
    return (
        f"topic {name!r} has {found} partitions, topology.yaml declares {declared}. Keys now go to "
        f"other partitions than before, so features and views of a key would be split. Declare "
        f"the new count under a new redis.prefix and clickhouse.database and replay, or recreate "
        f"the topic with {declared} partitions"
    )


def partitions_changed(topology: Topology, topic: str) -> Terminal:
    """The error of a worker that was assigned a partition that is not declared."""
    return Terminal(_text(topic, topology.partitions(topic), "more"))
