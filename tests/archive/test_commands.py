"""``headrace archive`` and ``headrace backtest`` on the real services, killed and tampered with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import clickhouse_connect
import polars as pl
import pytest

from headrace.lifeline import die_with_parent
from headrace.security.address import clickhouse_options
from tests.archive.project import ROOT, START_MS, Project, reading
from tests.integration.commands import Commands
from tests.sinks.redis_servers import until

pytestmark = pytest.mark.slow

METERS = ["m1", "m2", "m3", "m4"]
#: Times go up and down, and some events are sent twice.
_SENT = [reading(n, METERS[n % 4], f"{n % 97}.{n % 10}", n % 7 * 30) for n in range(3_000)]
EVENTS = [_SENT[n - 4] if n % 500 == 4 else event for n, event in enumerate(_SENT)]


@pytest.fixture(scope="module")
def project(stack, tmp_path_factory) -> Project:
    """All events applied."""
    made = Project(tmp_path_factory.mktemp("meters"))
    for command in (["apply"], ["produce", made.topic, "--file", str(made.lines(EVENTS))]):
        headrace(made, *command).wait(60)
    with made.worker(stack):
        pass
    return made


def headrace(project: Project, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", *args],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )


@pytest.fixture
def command(project, monkeypatch, capsys) -> Commands:
    return Commands(project.root, monkeypatch, capsys)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}


def test_killed_again_and_again_the_archive_is_whole(project, command, tmp_path):
    url = str(tmp_path)
    project.write(archive={"url": url, "rows_per_file": 40, "event_time": "occurred_at"})
    for death in range(3):
        process = headrace(project, "archive", "--follow")
        until("more files", lambda wanted=8 * (death + 1): len(files(tmp_path)) >= wanted, 90)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    before = files(tmp_path)
    said = command("archive", "--json")
    assert said.code == 0
    assert json.loads(said.out)["records"] < len(EVENTS)
    assert before < files(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    said = command("archive", "--verify", "--json")
    assert said.code == 0
    proofs = json.loads(said.out)
    assert sum(proof["compared"] for proof in proofs) == len(EVENTS)
    assert [proof["spans"][0][0] for proof in proofs] == [0, 0]
    victim = tmp_path / sorted(files(tmp_path))[3]
    victim.write_bytes(victim.read_bytes()[:-9])
    said = command("archive", "--verify")
    assert said.code == 1
    assert f"{victim.relative_to(tmp_path)}: damaged" in said.err
    victim.unlink()
    said = command("archive", "--verify")
    assert said.code == 1
    assert "there is a gap" in said.out


def test_following_ends_whole_on_sigterm(project, tmp_path):
    project.write(archive={"url": str(tmp_path)})
    process = headrace(project, "archive", "--follow")
    until("begun", lambda: len(list(tmp_path.rglob("*.tmp"))) == 2, 90)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert len(files(tmp_path)) == 2
    assert not list(tmp_path.rglob("*.tmp"))


def test_without_an_address_it_says_where_to_give_one(project, command):
    project.write()
    said = command("archive")
    assert said.code == 2
    assert "archive: missing; add 'archive: {url: …}', or give --url" in said.err


def test_a_backtest_is_what_the_store_has_until_somebody_changes_that(
    project, command, stack, tmp_path
):
    project.write(archive={"url": str(tmp_path / "cold")})
    assert command("archive").code == 0
    out = tmp_path / "table.parquet"
    said = command("backtest", "by_meter", "--compare", "--json", "--out", str(out))
    assert said.code == 0, said
    report = json.loads(said.out)
    unique = {event["event_id"]: event for event in EVENTS}
    assert report["same"]
    assert pl.read_parquet(out)["readings"].sum() == len(unique)
    said = command("backtest", "totals", "--compare", "--json", "--out", str(out))
    assert said.code == 0, said
    assert json.loads(said.out)["same"]
    assert pl.read_parquet(out)["readings"].sum() == len(unique)
    with closing(clickhouse_connect.get_client(**clickhouse_options(stack.clickhouse))) as client:
        client.command(
            f"INSERT INTO {project.name}.by_meter__v1 (meter, readings) VALUES ('m2', 1)"
        )
        said = command("backtest", "by_meter", "--compare")
    assert said.code == 1
    assert "{'meter': 'm2'}: differ" in said.out
    assert "1 keys differ" in said.out


def test_a_backtest_of_a_stretch_of_time_and_as_of_moments(project, command, tmp_path):
    project.write()
    minute = START_MS + 30 * 60_000
    said = command("backtest", "by_meter", "--from", str(minute), "--to", str(minute + 1), "--json",
                   "--out", str(tmp_path / "stretch.csv"))  # fmt: skip
    assert said.code == 0, said
    unique = list({event["event_id"]: event for event in EVENTS}.values())
    table = pl.read_csv(tmp_path / "stretch.csv")
    assert table["readings"].sum() == sum(e["occurred_at"] == minute for e in unique)
    file = tmp_path / "asked.csv"
    pl.DataFrame({"meter": ["m3", "m1", "m9"], "timestamp": [minute, START_MS, minute]}).write_csv(
        file
    )
    expected = [
        sum(e["meter"] == meter and e["occurred_at"] <= at for e in unique)
        for meter, at in (("m3", minute), ("m1", START_MS))
    ]
    for view in ("by_meter", "totals"):
        said = command("backtest", view, "--as-of", str(file), "--out", str(tmp_path / "s.parquet"))
        assert said.code == 0, said
        assert pl.read_parquet(tmp_path / "s.parquet")["readings"].to_list() == [*expected, None]


def test_what_there_is_to_backtest_is_listed(project, command):
    project.write()
    said = command("backtest", "by_moon")
    assert said.code == 2
    assert "'by_moon' is no view of topology.yaml; there are: by_meter, totals" in said.err
