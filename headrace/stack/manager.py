"""Starts, finds and stops the local services."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.endpoints import Endpoints, from_environment, load, state_dir
from headrace.errors import ConfigError, Terminal
from headrace.security.secret import redacted
from headrace.stack import state
from headrace.stack.clickhouse import ClickHouse
from headrace.stack.connect import Connect
from headrace.stack.kafka import Kafka
from headrace.stack.postgres import Postgres
from headrace.stack.process import spawn, tail
from headrace.stack.redis import Redis
from headrace.stack.service import Service
from headrace.stack.state import Entry

SERVICES: tuple[Service, ...] = (Kafka(), Redis(), ClickHouse())
#: Started only when asked for, in this order, each made with the addresses of those before it.
EXTRA: Mapping[str, Callable[[Mapping[str, str]], Service]] = {
    "postgres": lambda _: Postgres(),
    "connect": lambda at: Connect(at["kafka"], at.get("postgres", "")),
}
POLL_S = 0.05
FREE_S = 3.0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How a service is. ``advice`` says what to do when it is not healthy."""

    name: str
    address: str
    pid: int | None
    healthy: bool
    detail: str
    advice: str


def up(root: Path | None = None, *, own: bool = False, extra: Sequence[str] = ()) -> Endpoints:
    """Start what does not run yet and wait until it answers; returns the addresses of SERVICES.

    ``extra`` names services of EXTRA to start, too: ``endpoints.optional`` has their addresses.
    Services given by environment are left alone. With ``own`` the services end with this process,
    also when it is killed (Linux). Repeating is harmless; after a kill -9 of any service it is
    started again on its data, on its old port if that is free. Raises ConfigError when Java or
    Maven is missing, Terminal when a service does not come up.
    """
    unknown = [name for name in extra if name not in EXTRA]
    if unknown:
        raise ConfigError(f"no service {unknown[0]!r}; beside those always started there are: "
                          f"{', '.join(EXTRA)}")  # fmt: skip
    home = state_dir(root)
    with state.locked(home):
        entries = state.read(home)
        try:
            _start(SERVICES, home, entries, own)
            for name, make in EXTRA.items():
                if name in extra:
                    at = {n: entry.address for n, entry in entries.items()} | from_environment()
                    _start([make(at)], home, entries, own)
        finally:
            state.write(home, entries)
    return load(root)


def _start(services: Sequence[Service], home: Path, entries: dict[str, Entry], own: bool) -> None:
    """Start those that neither run nor are given, all at once, and note them in ``entries``."""
    given = from_environment()
    missing = [
        service
        for service in services
        if service.name not in given
        and (service.name not in entries or not entries[service.name].running.process())
    ]
    if not missing:
        return
    try:
        # Threads only prepare and wait: a process is tied to the life of the thread that
        # started it, so starting is done here.
        with ThreadPoolExecutor(len(missing)) as pool:
            ports = {s.name: _ports(s, entries.get(s.name)) for s in missing}
            commands = dict(
                zip(
                    missing,
                    pool.map(lambda s: s.prepare(home / s.name, ports[s.name]), missing),
                    strict=True,
                )
            )
            for service, command in commands.items():
                log = home / f"{service.name}.log"
                running = spawn(command.argv, log, command.env, own, command.cwd, command.stop)
                listens = ports[service.name]
                entries[service.name] = Entry(service.address(listens), listens, running)
            list(pool.map(lambda s: _wait(s, entries[s.name], home), missing))
    except BaseException:
        for service in missing:
            if service.name in entries:
                entries[service.name].running.stop()
        raise
    state.write(home, entries)


def _ports(service: Service, before: Entry | None) -> tuple[int, ...]:
    if before is not None and _come_free(before.ports):
        return before.ports
    return state.free_ports(service.ports)


def _come_free(ports: tuple[int, ...]) -> bool:
    """Whether nobody listens there, at the latest in FREE_S: a killed process is gone before the
    last of its threads is, and its sockets go with that one."""
    deadline = time.monotonic() + FREE_S
    while not all(state.can_listen(port) for port in ports):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _wait(service: Service, entry: Entry, home: Path) -> None:
    deadline = time.monotonic() + service.patience_s
    pause = threading.Event()
    while True:
        why = service.answers(entry.address)
        if why is None:
            return
        log = home / f"{service.name}.log"
        if entry.running.process() is None:
            raise Terminal(f"{service.name} ended while starting; {log.name} says:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise Terminal(
                f"{service.name} at {entry.address} does not answer after "
                f"{service.patience_s:.0f} s ({why}); {log.name} says:\n{tail(log)}"
            )
        pause.wait(POLL_S)


def down(root: Path | None = None) -> list[str]:
    """Stop the local services; returns the names of those that ran. Data stays."""
    home = state_dir(root)
    with state.locked(home):
        entries = state.read(home)
        ran = [name for name, entry in entries.items() if entry.running.process()]
        # What was started last goes first: Connect ends its tasks with Kafka's help, and without
        # a Kafka it waits for one until it is killed.
        last = [name for name in reversed(list(EXTRA)) if name in ran]
        for name in last:
            entries[name].running.stop()
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            rest = [name for name in ran if name not in last]
            list(pool.map(lambda name: entries[name].running.stop(), rest))
    return ran


def status(root: Path | None = None) -> list[ServiceStatus]:
    """How each service is, by asking it."""
    home = state_dir(root)
    given = from_environment()
    entries = state.read(home)
    found = []
    extra = [
        make({"kafka": ""}) for name, make in EXTRA.items() if name in given or name in entries
    ]
    for service in (*SERVICES, *extra):
        if service.name in given:
            found.append(
                ServiceStatus(
                    service.name, redacted(given[service.name]), None, True, "by environment", ""
                )
            )
            continue
        entry = entries.get(service.name)
        if entry is None:
            found.append(
                ServiceStatus(service.name, "", None, False, "never started", "headrace up")
            )
            continue
        process = entry.running.process()
        why = service.answers(entry.address) if process else "its process has ended"
        log = home / f"{service.name}.log"
        found.append(
            ServiceStatus(
                name=service.name,
                address=entry.address,
                pid=process.pid if process else None,
                healthy=why is None,
                detail=why or "answers",
                advice="" if why is None else f"headrace up; its log is {home.name}/{log.name}",
            )
        )
    return found


@contextmanager
def running(root: Path | None = None, extra: Sequence[str] = ()) -> Iterator[Endpoints]:
    """Services for the life of this process: stopped at the end, and by its death."""
    try:
        yield up(root, own=True, extra=extra)
    finally:
        down(root)
