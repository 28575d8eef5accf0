"""What is sent decodes, by fastavro and the .avsc files, to the columns; byte for byte."""

from __future__ import annotations

import io
import json
import struct

import fastavro
import polars as pl
import pytest

from loadgen import Chunk
from loadgen.rows import BAD, STREAMS
from loadgen.wiring import ROOT, Wiring
from tests.loadgen.records import decode, schema


def _plain(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.to_dicts()


@pytest.mark.parametrize("stream", STREAMS)
def test_values_decode_to_the_columns(stream: str, chunks: list[Chunk]) -> None:
    seen = 0
    for chunk in chunks[:6]:
        if stream not in chunk.batches:
            continue
        batch = chunk.batches[stream]
        events = _plain(batch.frame())
        for i, (value, event) in enumerate(zip(batch.values, events, strict=True)):
            if batch.rows["mark"][i] < BAD:
                assert decode(stream, value) == event
                seen += 1
    assert seen > 50


@pytest.mark.parametrize("stream", STREAMS)
def test_values_are_what_fastavro_writes(stream: str, chunks: list[Chunk], wiring: Wiring) -> None:
    batch = chunks[3].batches[stream]
    for i, value in enumerate(batch.values):
        if batch.rows["mark"][i] >= BAD:
            continue
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema(stream), decode(stream, value))
        assert value == struct.pack(">bI", 0, wiring[stream].schema_id) + out.getvalue()


def test_columns_follow_the_contracts(chunks: list[Chunk]) -> None:
    for stream, batch in chunks[2].batches.items():
        declared = json.loads((ROOT / "schemas" / f"{stream}.avsc").read_text())
        assert batch.frame().columns == [field["name"] for field in declared["fields"]]


def test_damaged_records_never_pass_a_strict_reader(chunks: list[Chunk], wiring: Wiring) -> None:
    ids = {route.schema_id for route in wiring.values()}
    kinds = set()
    for chunk in chunks:
        for stream, batch in chunk.batches.items():
            for value, mark in zip(batch.values, batch.rows["mark"].tolist(), strict=True):
                if mark < BAD:
                    continue
                kinds.add(mark)
                framed = len(value) >= 5 and value[0] == 0
                if framed and int.from_bytes(value[1:5], "big") in ids:
                    with pytest.raises((EOFError, IndexError, AssertionError)):
                        decode(stream, value)
    assert len(kinds) == 5
