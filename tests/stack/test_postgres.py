"""PostgreSQL as a local service: kill -9, `down` with sessions open, and the server from Maven."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from headrace import endpoints, stack
from headrace.errors import ConfigError
from headrace.stack import postgres
from headrace.stack.connect import Connect
from headrace.stack.postgres import Postgres
from headrace.stack.process import Running, spawn, tail
from headrace.stack.state import free_ports

pytestmark = [pytest.mark.services, pytest.mark.timeout(200)]


def started(folder: Path, port: int) -> tuple[Running, str]:
    service = Postgres()
    command = service.prepare(folder / "postgres", (port,))
    log = folder / "postgres.log"
    running = spawn(command.argv, log, command.env, True, command.cwd, command.stop)
    address = service.address((port,))
    deadline = time.monotonic() + 60
    while (why := service.answers(address)) is not None:
        assert time.monotonic() < deadline, (why, tail(log))
        time.sleep(0.05)
    return running, address


def test_a_killed_server_comes_back_with_what_it_had_and_stops_with_sessions_open(
    tmp_path: Path,
) -> None:
    (port,) = free_ports(1)
    running, address = started(tmp_path, port)
    with psycopg.connect(address, autocommit=True) as session:
        session.execute("CREATE TABLE t (a int)")
        session.execute("INSERT INTO t VALUES (7)")
        assert session.execute("SHOW wal_level").fetchone() == ("logical",)
        os.kill(running.pid, signal.SIGKILL)
    running, address = started(tmp_path, port)  # though the killed one's sessions may still end
    session = psycopg.connect(address)
    assert session.execute("SELECT a FROM t").fetchall() == [(7,)]
    assert psutil.Process(running.pid).uids().real != 0  # it refuses to run as root
    running.stop()
    assert running.process() is None
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")


def test_the_server_from_maven_runs_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres.shutil, "which", _without_postgres(postgres.shutil.which))
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path / "none")
    running, address = started(tmp_path, *free_ports(1))
    try:
        with psycopg.connect(address, autocommit=True) as session:
            assert session.execute("SHOW server_version").fetchone() == ("17.7",)
            made = "SELECT pg_create_logical_replication_slot('slot', 'pgoutput')"
            assert session.execute(made).fetchone() is not None
    finally:
        running.stop()


def test_the_extra_services_have_names_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    for name in ("HEADRACE_POSTGRES", "HEADRACE_POSTGRES_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"no service 'mysql'; .* postgres, connect"):
        stack.up(tmp_path, extra=["mysql"])
    with pytest.raises(ConfigError, match=r"'headrace up --with postgres', or set HEADRACE_POSTG"):
        endpoints.optional("postgres", tmp_path)
    monkeypatch.setenv("HEADRACE_POSTGRES", "mysql://db/shop")
    with pytest.raises(ConfigError, match=r"unknown scheme 'mysql'; use one of postgresql"):
        endpoints.optional("postgres", tmp_path)
    monkeypatch.setenv("HEADRACE_POSTGRES", "postgresql://shop@db:5433/orders")
    monkeypatch.setenv("HEADRACE_POSTGRES_PASSWORD", "p@ss")
    address = endpoints.optional("postgres", tmp_path)
    assert address == "postgresql://shop:p%40ss@db:5433/orders"
    assert Connect("k:1", address).prepare(tmp_path, (1,)).env == {
        "PGHOST": "db", "PGPORT": "5433", "PGDATABASE": "orders", "PGUSER": "shop",
        "PGPASSWORD": "p@ss",
    }  # fmt: skip


def _without_postgres(which: object) -> object:
    return lambda name: None if name == "postgres" else which(name)  # type: ignore[operator]
