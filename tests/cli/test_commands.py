"""The commands as a user runs them, on services and a project folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import clickhouse_connect
import pytest
import redis
import yaml

import loadgen.verify
from headrace import stack as services
from headrace import topology
from headrace.cli.main import COMMANDS
from headrace.workers import Workers

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs ``headrace`` in a project folder."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.env = {**os.environ, "HEADRACE_HOME": str(home), "PYTHONPATH": str(ROOT)}

    def __call__(self, *args: str, stdin: str = "", code: int = 0, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", *args],
            cwd=self.root, env={**self.env, **env}, input=stdin, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        self.err = done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    shutil.copy(ROOT / "topology.yaml", root / "topology.yaml")
    shell = Shell(root, root / ".headrace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(root / ".headrace"))
        with services.running(root):
            shell("apply")
            yield shell


def wait(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_help_and_version_name_everything(shell):
    text = shell("--help")
    assert all(f"  {name}" in text for name in COMMANDS)
    assert shell("--version").startswith("headrace ")
    for name in COMMANDS:
        assert "Usage:" in shell(name, "--help")
    shell("nosuch", code=2)


def test_check_and_graph(shell):
    assert "is right" in shell("check")
    assert json.loads(shell("check", "--json")) == {"valid": True, "problems": [], "warnings": []}
    assert shell("graph") == shell("graph", "--format", "mermaid")
    assert "topic_shop_orders --> agent_views" in shell("graph")
    shell("graph", "--format", "svg", "--output", "drawn.svg")
    assert (shell.root / "drawn.svg").read_text() == (ROOT / "docs/topology.svg").read_text()
    path = shell.root / "topology.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("agents.views:views", "agents.views:nothing"))
        shell("check", code=2)
        assert "has no function 'nothing'" in shell.err
        path.write_text(text.replace("partitions: 4", "partitions: 0"))
        assert json.loads(shell("check", "--json", code=2))["problems"][0]["path"]
        shell("graph", code=2)
    finally:
        path.write_text(text)


def test_schemas_are_locked(shell):
    assert "7 schemas are as locked" in shell("schemas", "check")
    assert "Nothing new" in shell("schemas", "register")
    path = shell.root / "schemas/flags.avsc"
    text = path.read_text()
    try:
        path.write_text(text.replace('"variant"', '"variety"'))
        shell("schemas", "check", code=2)
        assert "flags" in shell.err
    finally:
        path.write_text(text)


def test_a_new_version_is_judged_before_it_is_locked_and_applied(shell):
    spec = json.loads((shell.root / "schemas/flags.avsc").read_text())
    path = shell.root / "schemas/flags.v2.avsc"
    note = {"name": "note", "type": ["null", "string"]}
    try:
        path.write_text(json.dumps({**spec, "fields": [*spec["fields"], note]}))
        for action in ("check", "register"):
            shell("schemas", action, code=1)
            assert (
                "readers with version 2 can't read records of version 1: field 'note'" in shell.err
            )
        note["default"] = None
        path.write_text(json.dumps({**spec, "fields": [*spec["fields"], note]}))
        shell("schemas", "check", code=2)
        assert "'flags' version 2: compatible, but not locked yet" in shell.err
        shell("plan", code=2)
        shell("apply", code=2)
        assert "flags.v2.avsc: not in registry.json" in shell.err
    finally:
        path.unlink()


def test_plan_finds_nothing_after_apply_and_conflicts_are_told(shell):
    assert json.loads(shell("plan", "--json")) == []
    assert "Nothing to do" in shell("apply")
    path = shell.root / "topology.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("partitions: 4", "partitions: 3"))
        assert "conflict" in shell("plan", code=1)
        shell("apply", code=2)
        assert "has 4 partitions, topology.yaml declares 3" in shell.err
    finally:
        path.write_text(text)


#: A view written by hand, with one letter too few.
MISTYPED = {
    "columns": {
        "minute": "DateTime('UTC')",
        "type": "LowCardinality(String)",
        "method": "LowCardinality(String)",
        "payments": "SimpleAggregateFunction(sum, UInt64)",
        "amount": "SimpleAggregateFunction(sum, Decimal(38, 2))",
    },
    "order_by": ["minute", "type", "method"],
    "from": {
        "payments": "SELECT toStartOfMinute(occurred_at) AS minute, type, method, "
        "count() AS payments, sum(toDecimal128(p.amont, 2)) AS amount "
        "FROM payments AS p GROUP BY minute, type, method"
    },
}


def test_plan_tells_what_a_change_touches(shell):
    path = shell.root / "topology.yaml"
    text = path.read_text()
    one = "revenue: {sum: total}"
    assert one in text
    narrower = text.replace(one, "revenue: {sum: total, where: total > 1}", 1)
    content = yaml.safe_load(text)
    del content["declared"]["payments_by_minute"]
    content["clickhouse"]["views"] = {"payments_by_minute": MISTYPED}
    try:
        path.write_text(narrower)
        (step,) = json.loads(shell("plan", "--json"))
        assert (step["object"], step["replay"]) == ("revenue_by_minute", True)
        assert step["touches"][0] == "metric revenue, orders"
        assert "alert shop" in step["touches"]
        path.write_text(yaml.safe_dump(content))
        planned = json.loads(shell("plan", "--json", code=1))
        (step,) = (step for step in planned if "its select from payments" in step["what"])
        assert step["conflict"]
        assert "payments has no column 'amont'" in step["what"]
        assert "metric payments" in step["touches"]
        assert "touches metric payments; panel payments" in shell("plan", code=1)
    finally:
        path.write_text(text)


def test_status_and_missing_services(shell, tmp_path):
    found = json.loads(shell("status", "--json", code=1))
    assert {s["name"]: s["healthy"] for s in found["services"]} == dict.fromkeys(
        ("kafka", "redis", "clickhouse"), True
    )
    assert [problem["what"] for problem in found["problems"]] == ["no worker runs"]
    text = shell("status", code=1)
    assert "healthy" in text
    assert "to do: start them: headrace run --workers N" in text
    elsewhere = str(tmp_path / "none")
    assert "never started" in shell("status", code=1, HEADRACE_HOME=elsewhere)
    shell("tap", "shop.orders", code=2, HEADRACE_HOME=elsewhere)
    assert "start the local services with 'headrace up'" in shell.err
    assert "Nothing was running" in shell("down", HEADRACE_HOME=elsewhere)


EVENT = {
    "event_id": "01", "occurred_at": "2026-11-23T10:00:00Z", "producer": "till",
    "schema_version": 1,
    "user_id": "ann", "region": "eu_west", "type": "placed", "order_id": "o-1", "currency": "EUR",
    "total": "12.50",
    "lines": [{"product_id": "p1", "category": "c", "quantity": 1, "unit_price": "12.50"}],
}  # fmt: skip


def test_a_file_goes_through_produce_to_the_sinks_and_verify_agrees(shell):
    """A file that the generator did not make, with bad lines in it."""
    lines = [
        json.dumps(EVENT),
        "{not json",
        json.dumps({**EVENT, "event_id": "02", "type": "paid", "lines": []}),
        json.dumps({**EVENT, "type": "lost"}),
        "",
        json.dumps({**EVENT, "colour": "red"}),
        "[1]",
        json.dumps({k: v for k, v in EVENT.items() if k != "total"}),
        json.dumps({**EVENT, "event_id": "03", "user_id": "bob", "order_id": "o-2"}),
    ]
    (shell.root / "events.ndjson").write_text("\n".join(lines) + "\n")
    out = shell("produce", "shop.orders", "--file", "events.ndjson", "--json", code=1)
    summary = json.loads(out)
    assert (summary["sent"], summary["failed"]) == (3, 5)
    told = [line.split(": ")[0] for line in shell.err.splitlines()]
    assert told == [f"events.ndjson:{n}" for n in (2, 4, 6, 7, 8)]
    assert "'lost'" in shell.err
    assert "colour" in shell.err
    assert "1 sent" in shell(
        "produce", "shop.orders", stdin=json.dumps({**EVENT, "event_id": "04"})
    )
    shell("produce", "shop.nothing", code=2)
    assert "there are: shop.catalog" in shell.err
    shell("produce", "shop.orders", "--file", "none.ndjson", code=2)

    shell("verify", code=1)
    assert "has not drained" in shell.err
    runner = subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", "run"],
        cwd=shell.root, env=shell.env, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        shell("verify", "--wait", "60")
    finally:
        runner.send_signal(signal.SIGINT)
        _, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, err
    report = json.loads(shell("verify", "--json"))
    assert report["verified"]
    assert report["events_in_the_log"] == 4
    shell("verify", "--ledger", "nowhere", code=2)


def test_tap_shows_events_filters_and_bad_records(shell):
    from confluent_kafka import Producer

    where = topology_and_endpoints(shell)[1]
    producer = Producer({"bootstrap.servers": where.kafka})
    producer.produce("platform.flags", b"garbage", partition=0)
    producer.produce("platform.flags", None, partition=0)
    producer.flush(10)
    flag = {k: EVENT[k] for k in ("occurred_at", "producer", "schema_version", "user_id")}
    flag |= {"event_id": "f", "region": "apac", "flag": "f", "variant": "on", "reason": "split"}
    shell("produce", "platform.flags", stdin=json.dumps(flag))
    out = shell("tap", "platform.flags", "--from-beginning", "--limit", "3")
    events = [json.loads(line) for line in out.splitlines()]
    assert any("_bad" in e and e["_bad"].startswith("frame") for e in events)
    assert any(e.get("_tombstone") for e in events)
    assert any(e.get("variant") == "on" for e in events)
    only = shell("tap", "platform.flags", "--last", "9", "--filter", "variant=on", "--limit", "1")
    assert json.loads(only)["flag"] == "f"
    shell("tap", "nothing", code=2)
    shell("tap", "platform.flags", "--partition", "99", code=2)
    shell("tap", "platform.flags", "--filter", "variant", code=2)


def topology_and_endpoints(shell):
    from headrace import endpoints

    return topology.load(shell.root), endpoints.load(shell.root)


def test_a_broken_key_and_a_doubled_row_are_found_and_named(shell):
    declared, where = topology_and_endpoints(shell)
    workers = Workers(shell.root, 1, log_file=shell.root / "worker.log")
    workers.start()
    try:
        wait(lambda: not any(lag.behind for lag in loadgen.verify.lags(where, declared).values()))
    finally:
        workers.stop()
    client = redis.Redis.from_url(where.redis)
    key = next(k for k in client.scan_iter("hr:*:cart:*"))
    field, value = next(iter(client.hgetall(key).items()))
    client.hset(key, field, int(value) + 1)
    moved = next(k for k in client.scan_iter("hr:*:user:ann"))
    client.rename(moved, moved.replace(b"{", b"{9"))
    clickhouse = clickhouse_connect.get_client(dsn=where.clickhouse, database="headrace")
    clickhouse.command("INSERT INTO orders SELECT * FROM orders LIMIT 1")
    report = loadgen.verify.verify(shell.root, where, declared, None)
    wrong = {s.section: s for s in report.sections if s.differing}
    assert not report.verified
    assert wrong["redis.cart"].examples[0].key.endswith(f"field={field.decode()}")
    assert wrong["redis.placement"].differing == 1
    assert wrong["table.orders"].differing >= 2  # rows and crc, at least
    out = shell("verify", code=1)
    assert "differ" in out


def test_the_demo_sends_drains_verifies_and_reports(shell, tmp_path):
    """The main job, small: services of its own, a worker, load, proof, figures."""
    for name in ("schemas", "topology.yaml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    demo = Shell(tmp_path, tmp_path / ".headrace")
    out = demo("demo", "--events", "20000", "--users", "500", "--json", "report.json")
    assert "Verified" in out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verified"]
    assert report["differing"] == 0
    assert report["events"] == 20_000
    assert report["compared"] > 10_000
    services = {"kafka", "redis", "clickhouse"}
    assert set(report["cpu_seconds"]) == services | {"generator", "worker", "serving"}
    assert "Live page: http://127.0.0.1:" in out
    for sink in ("clickhouse", "redis"):
        assert 0 < report["freshness_ms"][sink]["p50"] <= report["freshness_ms"][sink]["p99"]
