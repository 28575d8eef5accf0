"""Declarations, however they are run, come to what plain Python says; the stores in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.block import TopicPartition
from headrace.declared import agents, batch
from headrace.declared.planned import planned
from headrace.schema import Registry
from headrace.testing import Given, Project
from tests.declared import held, oracle
from tests.declared.cases import DECLARED
from tests.declared.place import ORDERS, REQUESTS, SESSIONS, plain, write
from tests.strategies import cuts, events, line

LAWS = settings(max_examples=settings().max_examples // 4)
TOPICS = (ORDERS, SESSIONS, REQUESTS)
IN_REDIS = [name for name, one in DECLARED.items() if "redis" in one["keep"]]
_carriers = st.sampled_from([None, "post", "bike"])
_refunds = st.sampled_from([None, "1.50", "0.01"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(write(tmp_path_factory.mktemp("declared") / "p", plain(DECLARED)))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load(Path.cwd())


@st.composite
def logs(draw: st.DrawFn, topic: str, partitions: int = 2) -> dict[int, list[dict[str, Any]]]:
    """Events of a topic by partition, late and twice."""
    found = {}
    for partition in range(partitions):
        log = draw(st.lists(events(topic), max_size=10))
        if topic == ORDERS:
            log = [
                {**e, "carrier": draw(_carriers), "refund_amount": draw(_refunds),
                 "region": draw(st.sampled_from(["apac", "eu_west"])),
                 "lines": e["lines"] or [line(quantity=draw(st.integers(1, 3)))]}
                for e in log
            ]  # fmt: skip
        if topic == SESSIONS:
            log = [{**e, "unit_price": draw(_refunds)} for e in log]
        if log:
            found[partition] = [*log, *log[:1]]
    return found


def records(topic: str, log: dict[int, list[dict[str, Any]]]) -> list[oracle.Record]:
    return [
        oracle.Record(topic, partition, offset, event)
        for partition, part in log.items()
        for offset, event in enumerate(part)
    ]


def sources(name: str) -> list[str]:
    given_ = DECLARED[name]["from"]
    return [given_] if isinstance(given_, str) else list(given_)


def shown(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The oracle's objects as Redis has them."""
    if name != "seen":
        return rows
    for row in rows:
        if row["seen"] is not None and row["seen"]["price"] is not None:
            row["seen"]["price"] = int(row["seen"]["price"] * 100)
    return rows


def times(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The oracle's milliseconds as points in time."""
    for row in rows:
        for name in names:
            if row.get(name) is not None:
                row[name] = oracle.EPOCH + timedelta(milliseconds=row[name])
    return rows


@pytest.mark.parametrize("name", DECLARED)
@LAWS
@given(data=st.data())
def test_offline_it_is_what_plain_python_says(
    name: str, project: Project, registry: Registry, data: st.DataObject
):
    log = {topic: data.draw(logs(topic)) for topic in sources(name)}
    frames = []
    for topic, parts in log.items():
        for partition, part in parts.items():
            for a, b in data.draw(cuts(len(part))):
                frames.append((topic, project.frame(topic, part[a:b], partition, a).df))
    found = batch.table(project.topology, registry, name, data.draw(st.permutations(frames)))
    told = [record for topic, parts in log.items() for record in records(topic, parts)]
    expected = shown(name, times(oracle.table(DECLARED[name], told), "since"))
    assert held.rows(found) == expected


@pytest.mark.parametrize("name", IN_REDIS)
@LAWS
@given(data=st.data())
def test_in_redis_it_is_what_plain_python_says_however_it_is_run(
    name: str, project: Project, registry: Registry, data: st.DataObject
):
    # A user is in one partition: rings' slots, and events of equal time and offset, depend on it.
    partitions = 1 if name in ("seen", "people") else 2
    log = {topic: data.draw(logs(topic, partitions)) for topic in sources(name)}
    parts = {TopicPartition(t, p): part for t, by in log.items() for p, part in by.items()}
    agent = agents.of(project.topology, name)
    state = Given(parts, project).when(agent, disturbed=2)
    plan = planned(project.topology, registry, name)
    told = [record for topic, by in log.items() for record in records(topic, by)]
    expected = shown(name, times(oracle.table(DECLARED[name], told), "since"))
    nothing = (0, None, [], [0, 0, 0, 0])
    fields = DECLARED[name]["fields"]
    expected = [row for row in expected if any(row[f] not in nothing for f in fields)]
    assert held.from_redis(plan, state.redis) == expected
