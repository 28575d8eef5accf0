"""Running an agent on samples finds the fields that it reads, all of them and no others."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import topology
from headrace.frame import Frame
from headrace.lineage.observed import Target, observe
from headrace.lineage.paths import paths
from headrace.lineage.samples import Samples
from headrace.schema import Registry
from headrace.writes import NOTHING, Kind, RedisOps, Rows, Writes
from tests.strategies import TOPICS

ROOT = Path(__file__).parents[2]
DECLARED, REGISTRY = topology.load(ROOT), Registry.load(ROOT)
SAMPLES = {topic: Samples(DECLARED, topic, REGISTRY) for topic in TOPICS}


def text(names: list[str]) -> pl.Expr:
    return pl.struct(names).struct.json_encode()


@settings(max_examples=25)
@given(st.data(), st.sampled_from(TOPICS))
def test_the_fields_that_an_agent_reads(data: st.DataObject, topic: str):
    samples = SAMPLES[topic]
    columns = [path for path in samples.paths if "." not in path]
    read = data.draw(st.lists(st.sampled_from(columns), min_size=1, max_size=4, unique=True))

    def agent(frame: Frame) -> Writes:
        rows = frame.df.select(
            id=pl.lit("all"), field=pl.col("_offset").cast(pl.String), value=text(read),
            version=pl.lit("1"),
        )  # fmt: skip
        return Writes(redis=(RedisOps(Kind.LAST, "k", rows),))

    found = observe(agent, samples.frame, samples.paths)
    assert not found.failed
    assert {path.partition(".")[0] for path, _ in found.reads} == set(read)
    inside = [path for path in samples.paths if path.partition(".")[0] in read]
    assert {path for path, _ in found.reads} == set(inside)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_sample_differs_in_one_path_only(topic: str):
    samples = SAMPLES[topic]
    usual = samples.frame().df
    for path in samples.paths:
        other = samples.frame(path).df
        differ = [name for name in usual.columns if not usual[name].equals(other[name])]
        assert differ == [path.partition(".")[0]], path
    assert paths(REGISTRY.latest(DECLARED.topics[topic].schema_).type) == samples.paths


def units(frame: Frame) -> Writes:
    """Of one kind of order only, a field of its lines."""
    placed = frame.df.filter(pl.col("type") == "placed").explode("lines").drop_nulls("lines")
    rows = placed.select(
        id=pl.lit("all"),
        field=pl.lit("units"),
        delta=pl.col("lines").struct.field("quantity").cast(pl.Int64),
    )
    return Writes(redis=(RedisOps(Kind.ADD, "units", rows),))


def test_filters_and_fields_inside_of_others():
    samples = SAMPLES["shop.orders"]
    found = observe(units, samples.frame, samples.paths)
    assert dict(found.reads) == dict.fromkeys(
        ["type", "lines", "lines.quantity"], Target(keyspace="units")
    )


def test_columns_of_tables_apart():
    def agent(frame: Frame) -> Writes:
        rows = frame.df.select("user_id", spent=pl.col("total") * 2)
        return Writes((Rows("spent", rows),))

    samples = SAMPLES["shop.orders"]
    found = observe(agent, samples.frame, samples.paths)
    assert set(found.reads) == {
        ("user_id", Target(table="spent", column="user_id")),
        ("total", Target(table="spent", column="spent")),
    }


def test_an_agent_that_writes_nothing_or_raises():
    samples = SAMPLES["platform.flags"]
    assert observe(lambda _: NOTHING, samples.frame, samples.paths).written == frozenset()
    found = observe(lambda frame: frame.df["nothing"], samples.frame, samples.paths)  # type: ignore
    assert found.failed.startswith("it raised ColumnNotFoundError: ")
    assert not found.reads
