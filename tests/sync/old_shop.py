"""An old shop on a real PostgreSQL, moved by a real Kafka Connect into a project of its own."""

from __future__ import annotations

import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from headrace import endpoints, stack, topology
from headrace.client.decoded import DecodedEvents
from headrace.client.ranges import RangeReader
from headrace.endpoints import Endpoints
from headrace.topology import Topology
from tests.serve.server import ENV, ROOT
from tests.serve.shop import services_of

PAGE = ROOT / "docs/migration.md"
PATIENCE_S = 90.0
EXTRA = ("postgres", "connect")
#: Another shop on the same server: its database, and the topics of its captured and told events.
SECOND, CAPTURED, TOLD = "second", "second.captured", "second.told"
TOPIC = "  {}: {{schema: orders, key: user_id, dedupe: {{key: event_id, window: 50000}}}}\n"


def blocks(language: str) -> list[str]:
    """The page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@dataclass
class OldShop:
    """The project's folder, where its services are, and its database."""

    root: Path
    home: dict[str, str]
    endpoints: Endpoints
    topology: Topology
    database: str

    def headrace(self, *arguments: str, check: bool = True, **env: str) -> Any:
        """Run a command in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", *arguments], cwd=self.root,
            env=ENV | self.home | env, capture_output=True, text=True, check=check, timeout=200,
        )  # fmt: skip

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command that goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", *arguments], cwd=self.root,
            env=ENV | self.home | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def connect(self) -> psycopg.Connection[Any]:
        """A session; each statement is committed by itself."""
        return psycopg.connect(self.database, autocommit=True)

    def sql(self, statement: str) -> None:
        with self.connect() as session:
            session.execute(statement.encode())

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What is committed in a topic, decoded, with repeats, partition by partition."""
        decoded = DecodedEvents(self.root, self.topology, topic)
        found: list[dict[str, Any]] = []
        with RangeReader(self.endpoints.kafka, topic, "test") as reader:
            by_partition: dict[int, list[Any]] = {}
            for message in reader.records(reader.all()):
                by_partition.setdefault(message.partition(), []).append(message)
            for messages in by_partition.values():
                found += decoded.of(messages)
        return found

    def wait_for(self, true: Callable[[], bool], what: str) -> None:
        """Wait until it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    def kill_service(self, name: str) -> None:
        """End a service with -9."""
        (found,) = (s for s in self._status() if s.name == name)
        assert found.pid is not None
        os.kill(found.pid, signal.SIGKILL)
        self.wait_for(lambda: not any(s.pid for s in self._status() if s.name == name), name)

    def restart(self) -> None:
        """Start what was killed."""
        with self.environment():
            stack.up(self.root, own=True, extra=EXTRA)

    def _status(self) -> list[stack.ServiceStatus]:
        with self.environment():
            return stack.status(self.root)

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The project's home in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADRACE_HOME", self.home["HEADRACE_HOME"])
            yield


def declared() -> str:
    """The project's topology with the page's `sync`, and the same once more for a second shop."""
    text = (ROOT / "topology.yaml").read_text()
    place = text.index("\ndead_letters:")
    topics = "".join(TOPIC.format(name) for name in (CAPTURED, TOLD))
    (block,) = blocks("yaml")
    sync = yaml.safe_load(block)
    changes = sync["sync"]["changes"]
    second = changes["second"] = copy.deepcopy(changes["legacy_orders"])
    second |= {"from": f"{SECOND}.public.orders", "topic": CAPTURED}
    for happening in second["events"]:
        del happening["id"], happening["where"]["after.origin"]
    return text[:place] + topics + text[place:] + yaml.safe_dump(sync, sort_keys=False)


@contextmanager
def running(root: Path) -> Iterator[OldShop]:
    """Services, topics and tables; no connectors and no workers yet."""
    shutil.copytree(ROOT / "schemas", root / "schemas")
    shutil.copytree(ROOT / "deploy/connect", root / "deploy/connect")
    (root / "topology.yaml").write_text(declared())
    home = {"HEADRACE_HOME": str(root / ".headrace")}
    with services_of(root, home, EXTRA) as where, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", home["HEADRACE_HOME"])
        database = endpoints.optional("postgres", root)
        patch.undo()
        shop = OldShop(root, home, where, topology.load(root), database)
        shop.headrace("apply")
        yield shop
