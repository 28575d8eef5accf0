"""What the commands on instances begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from headrace import endpoints, topology
from headrace.endpoints import Endpoints
from headrace.serve.instances import Instances
from headrace.topology.model import Topology


class Opened(NamedTuple):
    """The project, and the instances of one of its processes."""

    root: Path
    topology: Topology
    endpoints: Endpoints
    instances: Instances


@contextmanager
def opened(process: str) -> Iterator[Opened]:
    """Those of a process of the project in the current folder; raises ConfigError."""
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    with closing(Instances(declared, where.clickhouse, process)) as instances:
        yield Opened(root, declared, where, instances)
