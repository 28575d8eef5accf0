"""Redis servers of a test's own: a cluster, and a master with a replica and a sentinel.

They are processes of the real ``redis-server`` on 127.0.0.1 and end with the test, however it ends.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from headrace.lifeline import die_with_parent
from headrace.stack.process import tail
from headrace.stack.redis import _binary
from headrace.stack.state import can_listen, free_ports

PATIENCE_S = 15.0
SLOTS = 16_384
SERVICE = "mymaster"
#: The nodes of a cluster talk to each other on their ports plus this.
BUS = 10_000
#: The user that a replica follows its master as: without it, the replica gets no more.
REPLICATOR = "replicator"

T = TypeVar("T")


def until(what: str, ask: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true, and return it; who can't answer yet is asked again.

    Raises AssertionError, with the last answer or error, after ``patience_s``.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            answer = ask()
            if answer:
                return answer
            seen = repr(answer)
        except redis.RedisError as error:
            seen = repr(error)
        assert time.monotonic() < deadline, f"{what}: not within {patience_s} s, last: {seen}"
        time.sleep(0.01)


class Server:
    """One redis-server, and a client that speaks to it alone and never tries twice."""

    def __init__(self, root: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._root = root / str(port)
        self._argv = [_binary(), *options, "--port", str(port), "--bind", "127.0.0.1"]
        self._argv += ["--dir", str(self._root), "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Any = redis.Redis(
            port=port, decode_responses=True, retry=Retry(NoBackoff(), 0)
        )

    def start(self) -> None:
        """Start it, also after it was killed, and wait until it answers."""
        self._root.mkdir(exist_ok=True)
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),
            )
        until(f"{self.port} answers", self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.port} ended: {tail(self._root / 'log')}"
        return bool(self.client.ping())

    def kill(self) -> None:
        """End it as ``kill -9`` does; nothing when it doesn't run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self.client.close()

    def call(self, *words: Any) -> Any:
        """Run a command as it is written."""
        return self.client.execute_command(*words)


class Cluster:
    """Masters that share the slots evenly, without replicas."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.nodes: list[Server] = []

    @property
    def url(self) -> str:
        """As a user would write it: some of the nodes."""
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes[:2]]
        return f"redis+cluster://{','.join(addresses)}"

    def form(self, count: int) -> None:
        """Start the masters and wait until every one of them serves."""
        for number in range(count):
            node = self._start()
            share = range(SLOTS * number // count, SLOTS * (number + 1) // count)
            node.call("CLUSTER", "ADDSLOTS", *share)
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        self._introduce()

    def join(self) -> Server:
        """Start one more master, which has no slots yet."""
        node = self._start()
        self._introduce()
        return node

    def _start(self) -> Server:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        node = Server(self._root, _port_of_a_node(), *options, "--appendonly", "yes")
        self.nodes.append(node)
        node.start()
        return node

    def _introduce(self) -> None:
        for node in self.nodes:
            node.call("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        self.wait()

    def wait(self) -> None:
        """Until every node sees all others and knows an owner for every slot."""
        for node in self.nodes:
            until(f"{node.port} is in a cluster in order", partial(self._ok, node))

    def _ok(self, node: Server) -> bool:
        told = node.client.cluster("INFO")
        links = [known["connected"] for known in node.client.cluster("NODES").values()]
        return (
            told["cluster_state"] == "ok"
            and told["cluster_known_nodes"] == str(len(self.nodes))
            and all(links)
        )

    def owner(self, key: str) -> Server:
        """Which master a key's slot is on."""
        port = owner(self.nodes[0].call("CLUSTER", "SLOTS"), self.slot(key))
        return next(node for node in self.nodes if node.port == port)

    def slot(self, key: str) -> int:
        """The slot of a key."""
        return int(self.nodes[0].call("CLUSTER", "KEYSLOT", key))

    def begin_move(self, slot: int, source: Server, target: Server) -> None:
        """Open a slot between two masters: from here the source answers ASK for what it lacks."""
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.client.cluster("MYID"))
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.client.cluster("MYID"))

    def move_keys(self, keys: list[str], source: Server, target: Server) -> None:
        """Carry keys of an open slot."""
        source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def ask(self, target: Server, *words: Any) -> Any:
        """What a master answers about a slot that is still on its way to it."""
        with target.client.pipeline(transaction=False) as pipeline:
            return pipeline.execute_command("ASKING").execute_command(*words).execute()[1]

    def end_move(self, slot: int, source: Server, target: Server) -> None:
        """Carry what is left in an open slot and tell everyone who owns it."""
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.move_keys(keys, source, target)
        identity = target.client.cluster("MYID")
        for node in (target, source, *self.nodes):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


def owner(shares: list[Any], slot: int) -> int | None:
    """The port of the master that has a slot, from what CLUSTER SLOTS answers."""
    return next((int(master[1]) for a, b, master, *_ in shares if a <= slot <= b), None)


def _port_of_a_node() -> int:
    def found() -> int | None:
        (port,) = free_ports(1)
        return port if port + BUS < 2**16 and can_listen(port + BUS) else None

    return until("a port with a free one for the bus", found) or 0


class Watched:
    """A master, its replica, and a sentinel that promotes the replica when the master is gone."""

    def __init__(self, root: Path) -> None:
        ports = free_ports(3)
        following = ("--masteruser", REPLICATOR, "--masterauth", REPLICATOR)
        self.master = Server(root, ports[0], *following)
        of = ("--replicaof", "127.0.0.1", str(ports[0]))
        self.replica = Server(root, ports[1], *following, *of)
        config = root / "sentinel.conf"
        # 60 s: it does nothing until it is told to.
        config.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 60000\n"
            f"sentinel failover-timeout {SERVICE} 10000\n"
        )
        self.sentinel = Server(root, ports[2], str(config), "--sentinel")
        self.url = f"redis+sentinel://127.0.0.1:{ports[2]}/{SERVICE}"

    def form(self) -> None:
        """Start all three and wait until the sentinel knows the replica."""
        self.master.start()
        rights = ("on", f">{REPLICATOR}", "+psync", "+replconf", "+ping")
        for server in (self.master, self.replica):
            if server is self.replica:
                server.start()
            server.call("ACL", "SETUSER", REPLICATOR, *rights)
        self.in_step()
        self.sentinel.start()
        until(
            "the sentinel knows the replica",
            lambda: [
                known
                for known in self.sentinel.client.sentinel_slaves(SERVICE)
                if known["port"] == self.replica.port and known["master-link-status"] == "ok"
            ],
        )

    def in_step(self) -> None:
        """Wait until the replica has all that the master has."""
        acknowledged = until("a replica", lambda: self.master.client.wait(1, 100))
        assert acknowledged == 1

    def cut(self) -> None:
        """Let nothing more through to the replica. The sentinel still sees both."""
        self.master.call("ACL", "DELUSER", REPLICATOR)  # which ends its connections, too
        until(
            "the replica is cut off",
            lambda: self.replica.client.info("replication")["master_link_status"] == "down",
        )

    def swap(self) -> None:
        """Change the roles and tell the sentinel, as by hand; no client's connection is closed."""
        self.replica.call("REPLICAOF", "NO", "ONE")
        self.master.call("REPLICAOF", "127.0.0.1", self.replica.port)
        self.sentinel.call("SENTINEL", "REMOVE", SERVICE)
        self.sentinel.call("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", self.replica.port, 1)

    def watch(self) -> None:
        """Let the sentinel act on a master that doesn't answer for half a second."""
        self.sentinel.call("SENTINEL", "SET", SERVICE, "down-after-milliseconds", 500)

    def promoted(self) -> None:
        """Wait until the sentinel names the replica as the master."""
        until(
            "the replica is the master",
            lambda: (
                self.sentinel.client.sentinel_get_master_addr_by_name(SERVICE)[1]
                == self.replica.port
            ),
        )

    def close(self) -> None:
        for server in (self.sentinel, self.replica, self.master):
            server.close()


Topologies = TypeVar("Topologies", Cluster, Watched)


@contextlib.contextmanager
def living(made: Topologies) -> Iterator[Topologies]:
    """Servers that end with the block, also when it does not get as far as using them."""
    try:
        yield made
    finally:
        made.close()
