"""How a block travels to ClickHouse: its bytes, its token, and the settings of its INSERT."""

from __future__ import annotations

import io
from collections.abc import Container
from typing import Any

import polars as pl

from headrace.sink import BlockRange

#: One INSERT must become one block, whatever its size: deduplication is by block. The limits only
#: have to be larger than any block can be.
ONE_BLOCK = 1 << 40
FORMAT = "ArrowStream"
#: Newer servers have this setting, whose default makes them ignore ``insert_deduplicate`` (seen
#: with 26.9: 0 alone switched nothing off); older ones refuse it as unknown.
SUPERSEDING = "deduplicate_insert"


def token(pipeline: str, table: str, block: BlockRange) -> str:
    """The deduplication token: names the rows, so that repeating them is a no-op."""
    where = f"{block.topic}/{block.partition}/{block.first}-{block.last}"
    return f"{pipeline}/{table}/{where}"


def insert_settings(deduplication_token: str | None, known: Container[str]) -> dict[str, Any]:
    """Settings under which an INSERT is one block.

    With a token, table and views take the block at most once, each by itself. Without one (at
    least once) they take it as often as it comes, and nothing is compared or remembered.
    ``known`` are the names of the server's settings.
    """
    return {
        **_deduplication(deduplication_token, known),
        "min_insert_block_size_rows": ONE_BLOCK,
        "min_insert_block_size_bytes": ONE_BLOCK,
        "max_insert_block_size": ONE_BLOCK,
        "max_insert_threads": 1,
        "async_insert": 0,
        "input_format_parallel_parsing": 0,
        "input_format_null_as_default": 0,  # a null that the column can't hold is refused
        "max_partitions_per_insert_block": 0,
    }


def _deduplication(deduplication_token: str | None, known: Container[str]) -> dict[str, Any]:
    newer = SUPERSEDING in known
    if deduplication_token is None:
        return {"insert_deduplicate": 0} | ({SUPERSEDING: "disable"} if newer else {})
    return {
        "insert_deduplicate": 1,
        "insert_deduplication_token": deduplication_token,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
    } | ({SUPERSEDING: "enable"} if newer else {})


def arrow_stream(frame: pl.DataFrame) -> bytes:
    """A frame as an Arrow IPC stream of one record batch."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()
