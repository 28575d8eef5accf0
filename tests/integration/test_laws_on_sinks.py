"""The two laws on the real sinks: every agent's writes, cut anywhere, any block sent again.

``tests/properties/test_laws.py`` has the same on a sink in memory, with many more logs.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agent as agents
from headrace import topology as topologies
from headrace.agent import AgentFunction
from headrace.endpoints import Endpoints
from headrace.sink import BlockRange
from headrace.testing import project
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Writes, combine
from loadgen.verify.held import held
from sinks.clickhouse.migrate import Migration
from sinks.factory import make_sinks
from tests.strategies import Event, cuts, logs

ROOT = Path(__file__).resolve().parents[2]
PROJECT = topologies.load(ROOT)
FUNCTIONS: dict[str, AgentFunction] = agents.functions(PROJECT)
Log = list[Event | None]
Blocks = list[tuple[int, int]]

pytestmark = [pytest.mark.services, pytest.mark.slow]


def place(folder: Path, stack: Endpoints) -> Topology:
    """The project's topology with a database and a prefix of its own, made."""
    folder.mkdir()
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    plain: dict[str, Any] = yaml.safe_load((ROOT / "topology.yaml").read_text(encoding="utf-8"))
    name = f"t{uuid.uuid4().hex[:8]}"
    plain["clickhouse"]["database"] = plain["redis"]["prefix"] = name
    (folder / "topology.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    declared = topologies.load(folder)
    migration = Migration(declared, folder, stack.clickhouse)
    migration.apply()
    migration.close()
    return declared


async def deliver(
    declared: Topology, stack: Endpoints, log: dict[str, Log], blocks: dict[str, Blocks], again: int
) -> None:
    """All blocks of all topics into the real sinks, in order; each, too, so often again."""
    sinks = make_sinks(declared, stack)
    for sink in sinks:
        await sink.start()
    try:
        for topic, records in log.items():
            for first, behind in blocks[topic]:
                if first == behind:
                    continue
                frame = project(ROOT).frame(topic, records[first:behind], first=first)
                block = BlockRange(topic, 0, first, behind - 1)
                asked = (FUNCTIONS[name](frame) for name in declared.agents_of(topic))
                writes = sum(asked, NOTHING)
                combined = Writes(writes.rows, combine(writes.redis))
                for _ in range(1 + again):
                    await asyncio.gather(
                        *(sink.apply(block, combined) for sink in sinks if sink.takes(topic))
                    )
    finally:
        for sink in sinks:
            await sink.close()


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_cut_anywhere_and_repeated_the_sinks_end_alike(
    tmp_path: Path, stack: Endpoints, data: st.DataObject
):
    log = {topic: data.draw(logs(topic, 12), topic) for topic in PROJECT.topics}
    states = []
    for again in (0, 1):
        declared = place(tmp_path / uuid.uuid4().hex, stack)
        blocks = {topic: data.draw(cuts(len(log[topic])), "cuts") for topic in log}
        asyncio.run(deliver(declared, stack, log, blocks, again))
        state, _ = held(stack, declared)
        states.append({section: frame.to_dicts() for section, frame in state.items()})
    assert states[0] == states[1]
    rows = sum(
        row["rows"] for name, part in states[0].items() if name[:6] == "table." for row in part
    )
    assert rows == sum(record is not None for records in log.values() for record in records)
