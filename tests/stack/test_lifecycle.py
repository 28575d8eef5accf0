"""Starting, finding and stopping real services; nothing left behind, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
import redis
from clickhouse_connect import get_client

from headrace import stack
from headrace.errors import ConfigError
from headrace.stack.kafka import Kafka, cluster_id
from headrace.topics import Topics, Wanted

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]


def pids(root):
    return {s.name: s.pid for s in stack.status(root)}


def test_kill_9_of_every_service_and_up_again_keeps_data_and_ports(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    try:
        where = stack.up(tmp_path)
        assert stack.up(tmp_path) == where
        before = pids(tmp_path)
        redis.Redis.from_url(where.redis).set("k", "kept")
        client = get_client(dsn=where.clickhouse)
        client.command("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
        client.command("INSERT INTO t VALUES (7)")
        Topics(where.kafka).create([Wanted("kept", 3, 1, {})])
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(pid for pid in pids(tmp_path).values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        down = stack.status(tmp_path)
        assert not any(s.healthy for s in down)
        assert all("headrace up" in s.advice for s in down)
        assert stack.up(tmp_path) == where  # the same ports
        assert not set(pids(tmp_path).values()) & set(before.values())
        assert redis.Redis.from_url(where.redis).get("k") == b"kept"
        assert get_client(dsn=where.clickhouse).command("SELECT sum(a) FROM t") == 7
        assert Topics(where.kafka).partitions()["kept"] == 3
    finally:
        assert sorted(stack.down(tmp_path)) == ["clickhouse", "kafka", "redis"]
    assert stack.down(tmp_path) == []


OWNER = """
import sys, time
from pathlib import Path
from headrace import stack
stack.up(Path(sys.argv[1]), own=True)
print(*(s.pid for s in stack.status(Path(sys.argv[1]))), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_a_killed_owner_leaves_nothing_running(tmp_path):
    env = {**os.environ, "HEADRACE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], env=env, stdout=subprocess.PIPE, text=True
    )
    started = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(started) == 3
    owner.kill()
    owner.wait()
    gone, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in started if psutil.pid_exists(pid)], timeout=20
    )
    assert not alive, (gone, alive)


def test_a_missing_java_or_maven_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no 'java' on the PATH: install Java 17") as caught:
        Kafka().prepare(tmp_path / "kafka", (1, 2))
    assert "\n" not in str(caught.value)
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"11\.0\.2.*install Java 17"):
        Kafka().prepare(tmp_path / "kafka", (1, 2))
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    monkeypatch.setattr(
        "headrace.stack.maven.shutil.which", lambda n: str(java) if n == "java" else None
    )
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="no 'mvn' on the PATH"):
        Kafka().prepare(tmp_path / "kafka", (1, 2))


def test_a_cluster_id_is_never_taken_for_an_option():
    dashed = uuid.UUID(bytes=b"\xf8" + b"\0" * 15)  # "-AAA…" in base64url
    plain = uuid.UUID(bytes=b"\x00" * 16)
    drawn = iter([dashed, plain])
    assert cluster_id(lambda: next(drawn)) == "A" * 22


def test_services_given_by_environment_are_not_started(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setenv("HEADRACE_KAFKA", "kafka.example:9092")
    monkeypatch.setenv("HEADRACE_CLICKHOUSE", "http://clickhouse.example:8123")
    try:
        where = stack.up(tmp_path)
        assert where.kafka == "kafka.example:9092"
        assert redis.Redis.from_url(where.redis).ping()
        found = {s.name: s for s in stack.status(tmp_path)}
        assert found["kafka"].detail == "by environment"
        assert found["kafka"].pid is None
    finally:
        assert stack.down(tmp_path) == ["redis"]
