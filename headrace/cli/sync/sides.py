"""The two sides of a comparison, asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headrace import endpoints
from headrace.client.translation import at
from headrace.clock import SystemClock
from headrace.serve.context import Context
from headrace.serve.entities.client import Keys
from headrace.serve.entities.reader import Entities
from headrace.serve.readers import ClickHouseReader
from headrace.sync import database
from headrace.sync.compare import Rows
from headrace.topology.model import Topology
from headrace.topology.sync import Compare

#: Ids read from Redis at a time.
IDS = 500


def both(root: Path, topology: Topology, declared: Compare) -> tuple[Rows, Rows]:
    """The rows of the old side and of ours, one after the other."""
    address = endpoints.optional("postgres", root)
    old = Rows("old", declared.key, database.rows(address, declared.old))
    if declared.new is not None:
        url = endpoints.load(root).clickhouse
        with closing(ClickHouseReader(url, topology.clickhouse.database)) as reader:
            return old, Rows("new", declared.key, reader.frame(declared.new).iter_rows(named=True))
    assert declared.read_model is not None
    ids = [str(key[0]) for key in old.by_key]
    held = asyncio.run(_held(Context(root, topology), declared.read_model, ids))
    (column,) = declared.key
    rows = _with_columns(column, ids, held, old.columns)
    return old, Rows("new", declared.key, rows)


def _with_columns(
    key: str, ids: Sequence[str], held: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """What is held of each id that there is something of, as rows with these columns only.

    A column's name is a path: ``state.status`` is within the field ``state``.
    """
    for entity, fields in zip(ids, held, strict=True):
        if fields:
            yield {key: entity} | {name: at(fields, name) for name in columns}


async def _held(context: Context, keyspace: str, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    keys = Keys(context)
    entities = Entities(context, keys, SystemClock())
    found: list[Mapping[str, Any]] = []
    try:
        for first in range(0, len(ids), IDS):
            parts = await entities.read([keyspace], ids[first : first + IDS])
            found += [part[keyspace] for part in parts]
    finally:
        await keys.close()
    return found
