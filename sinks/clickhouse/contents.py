"""What a view's table holds, finished: one row a key, every aggregate state a value."""

from __future__ import annotations

import io
import re
from contextlib import closing
from typing import Any

import clickhouse_connect
import polars as pl
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.security.address import clickhouse_options
from headrace.topology.model import View
from sinks.clickhouse.errors import classify

#: So that text comes as text, whatever the column's type.
SETTINGS = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}
FORMAT = "ArrowStream"
_SIMPLE = re.compile(r"SimpleAggregateFunction\((\w+),.+\)$", re.DOTALL)
_STATE = re.compile(r"AggregateFunction\((\w+)(\(.*?\))?,.+\)$", re.DOTALL)


def select(database: str, name: str, view: View, where: str = "") -> str:
    """The rows of a view by its key, states finished; the same text for any server."""
    columns = ", ".join(
        f"v.`{column}` AS `{column}`"
        if column in view.order_by
        else f"{finished(f'v.`{column}`', kind)} AS `{column}`"
        for column, kind in view.columns.items()
    )
    key = ", ".join(f"`{column}`" for column in view.order_by)
    condition = f" WHERE {where}" if where else ""
    return (
        f"SELECT {columns} FROM {database}.`{name}` AS v{condition} GROUP BY {key} ORDER BY {key}"
    )


def finished(column: str, kind: str) -> str:
    """The value of a column over the rows of a key, by its type."""
    simple, state = _SIMPLE.match(kind.strip()), _STATE.match(kind.strip())
    if simple:
        return f"{simple[1]}({column})"
    return f"{state[1]}Merge{state[2] or ''}({column})" if state else f"any({column})"


def timed(df: pl.DataFrame, view: View) -> pl.DataFrame:
    """With points in time and dates in the place of the numbers that Arrow gets for them."""
    numbers = [n for n in df.columns if n in view.columns and df.schema[n].is_integer()]
    return df.with_columns(
        pl.from_epoch(pl.col(n).cast(pl.Int64), "s").dt.replace_time_zone("UTC")
        if view.columns[n].startswith("DateTime")
        else pl.col(n).cast(pl.Int32).cast(pl.Date)
        for n in numbers
        if view.columns[n].startswith("Date")
    )


def frame_of(stream: bytes) -> pl.DataFrame:
    """An answer in ``FORMAT``."""
    return pl.read_ipc_stream(io.BytesIO(stream))


def held(url: str, sql: str, database: str = "default") -> pl.DataFrame:
    """What the running ClickHouse answers. Raises Transient, Terminal."""
    options = {**clickhouse_options(url), "database": database}
    try:
        with closing(clickhouse_connect.get_client(**options)) as opened:
            client: Any = opened
            return frame_of(client.raw_query(sql, fmt=FORMAT, settings=SETTINGS))
    except ClickHouseError as error:
        raise classify(error, "clickhouse: backtest") from error
