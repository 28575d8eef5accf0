"""Rules on real services: aside, marked or the end; what a rule set aside was never seen."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import polars as pl
import pytest
import yaml

import loadgen.verify
from headrace import topology
from headrace.block import Block
from headrace.cli.apply import apply_all
from headrace.errors import Terminal
from headrace.frame import Decode, Frame
from headrace.rules.checked import decoder, id_decoder
from tests.integration.harness import Pipeline
from tests.integration.test_bad_input import WAIT_S, Project, project, run
from tests.rules import cases

__all__ = ["project"]
pytestmark = pytest.mark.services

RULES = {
    "price_not_negative": {"field": "price", "min": 0, "on_failure": "dead_letter"},
    "named": {"check": "name IS NOT NULL", "on_failure": "mark"},
    "cheap": {"field": "price", "max": 1000, "on_failure": "stop"},
}


def declare(project: Project) -> None:
    """Give shop.catalog these rules."""
    path = project.root / "topology.yaml"
    text = yaml.safe_load(path.read_text())
    text["topics"]["shop.catalog"]["rules"] = RULES
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    project.topology = topology.load(project.root)
    apply_all(project.root, project.topology, project.where)


def rows(project: Project) -> list[tuple[int, str, Decimal, list[str]]]:
    with closing(clickhouse_connect.get_client(dsn=project.where.clickhouse)) as client:
        return client.query(
            "SELECT _offset, event_id, price, _marks FROM headrace.catalog ORDER BY _offset"
        ).result_rows


def test_aside_marked_and_stopped(project):
    declare(project)  # ALTERs the table that is there
    project.send(
        project.good(1),
        project.good(2, price="-1.00"),
        project.good(3, name=None),
        project.good(2, price="1.00"),  # the second again, mended: no repeat
        project.good(1),  # a repeat
    )
    workers = run(project)
    try:
        project.drain(workers)
        held = [(e, str(price), marks) for _, e, price, marks in rows(project)]
        assert held == [("e1", "1.50", []), ("e3", "1.50", ["named"]), ("e2", "1.00", [])]
        ((headers, key, value),) = project.letters()
        assert (headers["headrace.offset"], headers["headrace.step"]) == ("1", "rule")
        assert headers["headrace.reason"] == (
            "rule 'price_not_negative': price is at least 0 (price -1.00)"
        )
        assert (key, value) == (b"k", project.good(2, price="-1.00"))
        report = loadgen.verify.verify(project.root, project.where, project.topology, None)
        wrong = [s for s in report.sections if s.differing and s.comparison != "placement"]
        assert not wrong
        assert report.notes["ruled_out_in_the_log"] == 1
        project.send(project.good(6), project.good(7, price="1000.01"))
        deadline = time.monotonic() + WAIT_S
        with pytest.raises(Terminal, match="exit code 1"):
            workers.watch(lambda: time.monotonic() > deadline)
    finally:
        workers.stop()
    said = (project.root / "worker.log").read_text()
    assert "shop.catalog[0]@6: rule 'cheap': price is at most 1000 (price 1000.01)" in said
    assert [offset for offset, *_ in rows(project)][3:] in ([], [5])


def with_value(decode: Decode) -> Decode:
    """As the harness wants it: the id, which stands in ``value``, and the position."""
    position = ("_partition", "_offset")

    def run(block: Block) -> Frame:
        frame = decode(block)
        value = pl.col("id").cast(pl.Binary).alias("value")
        return replace(frame, df=frame.df.select(value, *position))

    return run


async def test_after_a_restart_a_diverted_record_is_still_not_seen(stack, tmp_path: Path):
    """The dedupe filter is rebuilt from the log: it must leave out what the rule set aside."""
    rules = {"r": cases.rule(field="n", min=0)}
    pipeline = Pipeline(stack.kafka, tmp_path, dedupe=100)
    pipeline.decode = with_value(decoder(cases.registry(), "case", rules))
    pipeline.decode_ids = with_value(id_decoder(cases.registry(), "case", "id", rules))
    bad, good, other = cases.block({"n": -1}, {"n": 1}, {"n": 2}).values
    (mended,) = cases.block({"n": 5}).values
    pipeline.produce(bad, good, other)
    async with pipeline.running():
        await pipeline.drained()
        assert pipeline.runtime is not None
        assert pipeline.runtime.metrics.rules == {f"{pipeline.topic} r": 1}
    pipeline.produce(mended, good)  # in the window; the first of them is no repeat
    async with pipeline.running():
        await pipeline.drained()
        assert pipeline.runtime.metrics.duplicates[pipeline.topic] == 1
    assert pipeline.sink.offsets() == [1, 2, 3]
