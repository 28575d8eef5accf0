"""PostgreSQL, ready for logical decoding: Debian's, one on the PATH, else a server from Maven."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import psutil

from headrace.errors import ConfigError, Terminal
from headrace.stack import maven
from headrace.stack.service import Command

USER = "headrace"
DEBIAN = Path("/usr/lib/postgresql")
#: PostgreSQL refuses to run as root; its processes are nobody's then.
NOBODY = 65534
LEFT_S = 20.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "16",
    "max_replication_slots": "16",
    # A slot that nobody reads any more must not fill a laptop's disk.
    "max_slot_wal_keep_size": "4GB",
    "wal_sender_timeout": "10s",
}
#: A request for a TLS connection, which any server answers before it knows who asks:
#: https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest.
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)


class Postgres:
    """See ``stack.service.Service``. Who is on this machine may connect, as to the others."""

    name = "postgres"
    ports = 1
    patience_s = 60.0  # it replays its log first

    def address(self, ports: tuple[int, ...]) -> str:
        return f"postgresql://{USER}@127.0.0.1:{ports[0]}/postgres"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        binaries = _binaries()
        cluster = data / "cluster"
        data.mkdir(parents=True, exist_ok=True)
        as_nobody = _unprivileged()
        if as_nobody:
            os.chown(data, NOBODY, NOBODY)
        if not (cluster / "PG_VERSION").exists():
            _initialise(binaries, data, cluster, as_nobody)
        _wait_for_the_last_of(cluster)
        argv = [*as_nobody, str(binaries / "postgres"), "-D", str(cluster), "-p", str(ports[0])]
        for name, value in SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        # Fast, not smart: that would wait until the last client has gone.
        return Command(argv, data, stop=signal.SIGINT)

    def answers(self, address: str) -> str | None:
        port = int(address.rsplit(":", 1)[1].partition("/")[0])
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(_SSL_REQUEST)
                if connection.recv(1) not in (b"N", b"S"):
                    return "another server listens there"
                connection.sendall(_startup())
                answer = connection.recv(1)
        except OSError as error:
            return str(error)
        return None if answer == b"R" else "it does not take connections yet"


def _startup() -> bytes:
    """The first message of a session, protocol 3.0: a server that is still starting refuses it."""
    said = b"".join(part.encode() + b"\0" for part in ("user", USER, "database", "postgres", ""))
    return struct.pack(">ii", 8 + len(said), 196608) + said


def _binaries() -> Path:
    """The folder of ``postgres`` and ``initdb``."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return debian[-1] if debian else _from_maven()


def _from_maven() -> Path:
    systems, machines = {"linux": "linux", "darwin": "darwin"}, {"x86_64": "amd64"}
    system, machine = systems.get(sys.platform, sys.platform), platform.machine()
    arm = "arm64v8" if machine in ("aarch64", "arm64") else machine
    jars = maven.jars("postgres", {"postgres.platform": f"{system}-{machines.get(machine, arm)}"})
    target = jars.with_name(f"{jars.name}-server")
    if not target.exists():
        (jar,) = jars.glob("embedded-postgres-binaries-*.jar")
        with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
            unpacked = Path(folder) / "server"
            with zipfile.ZipFile(jar) as archive:
                (name,) = (name for name in archive.namelist() if name.endswith(".txz"))
                with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as tar:
                    tar.extractall(unpacked, filter="data")
            maven.settle(unpacked, target)
    return target / "bin"


def _unprivileged() -> list[str]:
    """What to put before a command so that it is not root's; nothing where we are not root.

    It may read and write wherever root may, or it would need every folder above its data opened to
    all. The signal of ``headrace.lifeline`` is kept, which a change of user would clear.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise ConfigError(
            "postgres: it refuses to run as root, and there is no 'setpriv' on the PATH: run "
            "headrace as another user, or install util-linux"
        )
    user = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    kept = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--pdeathsig", "keep"]
    # Else access(2), by which initdb looks for its server, would know nothing of the capability.
    kept += ["--securebits=+no_setuid_fixup"]
    return ["setpriv", *user, *kept]


def _initialise(binaries: Path, data: Path, cluster: Path, as_nobody: list[str]) -> None:
    # Under another name first: what a kill left half made is never taken for a cluster.
    made = data / "making"
    shutil.rmtree(made, ignore_errors=True)
    argv = [*as_nobody, str(binaries / "initdb"), "-D", str(made), "-U", USER, "-A", "trust"]
    argv += ["-E", "UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(argv, cwd=data, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"postgres: initdb failed: {(done.stderr or done.stdout).strip()[-500:]}")
    made.rename(cluster)


def _wait_for_the_last_of(cluster: Path) -> None:
    """Wait until the sessions of a killed server have noticed: a new one would refuse to start."""
    deadline = time.monotonic() + LEFT_S
    while left := _at_work_in(cluster):
        if time.monotonic() > deadline:
            raise Terminal(f"postgres: processes {left} still use {cluster}: end them")
        time.sleep(0.05)


def _at_work_in(cluster: Path) -> list[int]:
    """Processes whose working directory is the cluster: all of a server's have it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("postgres") and process.cwd() == str(cluster.resolve()):
                found.append(process.pid)
        except psutil.Error:
            continue  # it has ended, or is somebody else's
    return found
