"""ClickHouse's views without a server: the project's own DDL on its engine, in this process."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chdb
import orjson

from headrace.agent import functions
from headrace.frame import Frame
from headrace.testing.project import Project
from headrace.topology.model import View
from headrace.writes import Rows
from sinks.clickhouse.ddl import statements
from sinks.clickhouse.insert import arrow_stream

Row = dict[str, Any]
_SIMPLE = re.compile(r"SimpleAggregateFunction\(\s*(\w+)\s*,.+\)", re.DOTALL)
_STATE = re.compile(r"AggregateFunction\(\s*(\w+)(\([^)]*\))?\s*,.+\)", re.DOTALL)


def rows_of(project: Project, view: str, *runs: Iterable[Frame]) -> Iterator[list[Row]]:
    """What a view holds, merged, after its agents had the frames of each run, each a block.

    States are finished: a ``uniq`` is a number, ``quantiles`` a list. Decimals and times are text.
    """
    agents = functions(project.topology)
    declared = project.topology.clickhouse.views[view]
    with _engine() as engine, tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        for frames in runs:
            _create(engine, project)
            for frame in frames:
                for name in project.topology.agents_of(frame.topic):
                    for rows in agents[name](frame).rows:
                        if rows.table in declared.from_:
                            _insert(engine, rows, Path(folder) / "block.arrow")
            yield list(_merged(engine, view, declared))


def _create(engine: Any, project: Project) -> None:
    """The project's database, anew."""
    database = project.topology.clickhouse.database
    engine.query(f"DROP DATABASE IF EXISTS {database}")
    for statement in statements(project.topology, project.root):
        engine.query(statement.sql)
        if statement.object == "database":
            engine.query(f"USE {database}")


def _insert(engine: Any, rows: Rows, file: Path) -> None:
    file.write_bytes(arrow_stream(rows.frame))
    columns = ", ".join(f"`{column}`" for column in rows.frame.columns)
    engine.query(
        f"INSERT INTO `{rows.table}` ({columns}) SELECT {columns} FROM file('{file}', ArrowStream)"
    )


@contextmanager
def _engine() -> Iterator[Any]:
    """One a process at a time, its data in memory."""
    connection = chdb.connect(":memory:")
    try:
        yield connection
    finally:
        connection.close()


def _merged(engine: Any, name: str, view: View) -> Iterator[Row]:
    keys = ", ".join(f"`{column}`" for column in view.order_by)
    values = [_merge(c, kind) for c, kind in view.columns.items() if c not in view.order_by]
    columns = ", ".join([keys, *values])
    answer = engine.query(
        f"SELECT {columns} FROM `{name}` GROUP BY {keys} ORDER BY {keys} "
        "SETTINGS output_format_json_quote_64bit_integers = 0, "
        "output_format_json_quote_decimals = 1, output_format_decimal_trailing_zeros = 1",
        "JSONEachRow",
    )
    for line in answer.bytes().splitlines():
        row = orjson.loads(line)
        yield {column: row[column] for column in view.columns}


def _merge(column: str, kind: str) -> str:
    """What a reader asks for to get a column's value."""
    if simple := _SIMPLE.fullmatch(kind):
        return f"{simple[1]}(`{column}`) AS `{column}`"
    if state := _STATE.fullmatch(kind):
        return f"{state[1]}Merge{state[2] or ''}(`{column}`) AS `{column}`"
    return f"any(`{column}`) AS `{column}`"
