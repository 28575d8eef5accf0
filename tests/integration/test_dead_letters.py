"""From a bad record to the sinks: set aside, listed, shown, mended, sent back, there once."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import polars as pl
import pytest
import redis

import loadgen.verify
from headrace import stack as services
from headrace.cli.apply import apply_all
from headrace.dlq.log import DeadLetterLog
from headrace.frame import Frame
from headrace.writes import NOTHING, Writes
from loadgen.verify.recount import letters
from tests.integration.commands import Commands
from tests.integration.test_bad_input import Project, run

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parents[2]
TOPIC = "shop.catalog"
AGENT = f"""
  picky:
    function: {__name__}:picky
    reads: [{TOPIC}]
    writes: {{}}
"""
SCRIPT = """
def fix(value, record, headers):
    assert record is None
    return b"\\0" + value[1:] if value[:1] == b"\\1" else None
"""


def picky(frame: Frame) -> Writes:
    """An agent that can't bear a price of 100,000 and more."""
    wrong = frame.df.filter(pl.col("price") >= 100_000)
    if wrong.height:
        raise ValueError(f"the price of {wrong['product_id'][0]!r} is {wrong['price'][0]}")
    return NOTHING


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    text = (ROOT / "topology.yaml").read_text()
    text = text.replace("max_ratio: 0.05", "max_ratio: 1.0")
    (tmp_path / "topology.yaml").write_text(text.replace("\nagents:\n", f"\nagents:{AGENT}"))
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / ".headrace"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with services.running(tmp_path) as where:
        made = Project(tmp_path, where)
        apply_all(tmp_path, made.topology, where)
        yield made


class Dlq:
    """``headrace dlq`` in a project's folder."""

    def __init__(self, headrace: Commands) -> None:
        self._headrace = headrace

    def __call__(self, *args: str, code: int = 0) -> str:
        said = self._headrace("dlq", *args)
        assert said.code == code, (args, said)
        return said.out

    def groups(self) -> dict[str, dict[str, Any]]:
        """Groups by the beginning of their reason."""
        listed = json.loads(self("list", TOPIC, "--json"))
        return {" ".join(group["reason"].split()[:3]): group for group in listed}

    def redrive(self, *args: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("redrive", TOPIC, *args, "--json", code=code))
        return found


def origin_of_last(project: Project) -> int:
    with DeadLetterLog(project.where.kafka, TOPIC) as log:
        return max(message.offset() for message in log.records())


def log_of(project: Project) -> list[bytes | None]:
    with DeadLetterLog(project.where.kafka, TOPIC) as log:
        return [message.value() for message in log.records()]


def test_bad_records_are_listed_shown_mended_and_sent_back_once(project, monkeypatch, capsys):
    good = [project.good(i) for i in range(20)]
    numbers = [100 + 7 * i for i in range(6)]  # all of product p2
    poison = [project.good(n, price=f"{100_000 + n}.25") for n in numbers]
    framed = [project.good(200 + i) for i in range(3)]
    unframed = [b"\x01" + value[1:] for value in framed]
    truncated = [project.good(300)[:-4], project.good(301)[:-5]]
    sent = [*good[:10], *poison[:3], *unframed, *truncated, *poison[3:], *good[10:]]
    project.send(*sent)
    (project.root / "fix.py").write_text(SCRIPT)
    dlq = Dlq(Commands(project.root, monkeypatch, capsys))
    workers = run(project)
    try:
        project.drain(workers)
        groups = dlq.groups()
        assert {name: group["count"] for name, group in groups.items()} == {
            "agent 'picky' raised": 6,
            "the first byte": 3,
            "field 'price': length": 2,
        }
        shown = dlq("show", TOPIC, str(groups["field 'price': length"]["example"]))
        assert "✗ field 'price': length 2 at byte" in shown
        assert re.search(r'5-\d+ +event_id +"e30[01]"', shown)
        shown = dlq("show", TOPIC, "--origin", f"0:{sent.index(unframed[0])}")
        assert "not Confluent's wire format" in shown
        assert "00000000  01 00 00 00" in shown

        mend = (
            "--group",
            str(groups["agent 'picky' raised"]["id"]),
            "--fix",
            "price = price - 100000",
        )
        assert dlq.redrive(*mend, "--dry-run")["sent"] == 6
        assert len(log_of(project)) == len(sent)
        assert dlq.redrive(*mend)["sent"] == 6
        assert dlq.redrive("--reason", "the first byte", "--script", "fix.py")["sent"] == 3
        assert dlq.redrive("--origin", f"0:{sent.index(truncated[0])}")["sent"] == 1
        project.drain(workers)
    finally:
        workers.stop()

    mended = [project.good(n, price=f"{n}.25") for n in numbers]
    assert log_of(project) == [*sent, *mended, *framed, truncated[0]]
    clickhouse = clickhouse_connect.get_client(dsn=project.where.clickhouse, database="headrace")
    rows = clickhouse.query("SELECT event_id FROM catalog").result_rows
    assert Counter(row[0] for row in rows) == Counter(
        f"e{n}" for n in (*range(20), *numbers, *range(200, 203))
    )
    card = redis.Redis.from_url(project.where.redis).hget("hr:{0}:product:card:p2", "card")
    assert b'"price":13525' in card  # the last of the key's

    ends = loadgen.verify.lags(project.where, project.topology, ".dlq")
    found, _ = letters(project.where.kafka, project.topology, ends)
    origins = found[TOPIC]
    bad = [sent.index(value) for value in (*poison, *unframed, *truncated)]
    assert origins == {(0, offset) for offset in bad} | {(0, origin_of_last(project))}
    groups = dlq.groups()
    counted = {
        name: tuple(group[k] for k in ("count", "waiting", "redriven", "again"))
        for name, group in groups.items()
    }
    assert counted == {
        "agent 'picky' raised": (6, 0, 6, 0),
        "the first byte": (3, 0, 3, 0),
        "field 'price': length": (3, 2, 1, 1),  # sent back as it was, it failed again
    }
    assert dlq.redrive(*mend, code=1)["chosen"] == 0
    rest = dlq.redrive("--all", "--script", "fix.py")
    assert (rest["chosen"], rest["sent"], len(rest["left"])) == (2, 0, 2)
    assert len(dlq.redrive("--all", "--fix", "price = 1", code=1)["failed"]) == 2
    assert len(log_of(project)) == len(sent) + 10
