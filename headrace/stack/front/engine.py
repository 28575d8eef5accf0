"""chDB connections in threads, one query each at a time."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb

from headrace.stack.front.request import Ask

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """Output and what it took."""

    output: bytes
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(value: str) -> str:
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Engine:
    """One chDB instance over a data folder; queries run side by side on several connections."""

    def __init__(self, path: Path, spool: Path) -> None:
        self._path = path
        self._spool = spool
        self._idle: asyncio.Queue[Any] = asyncio.Queue()
        self._all: list[Any] = []

    async def start(self) -> None:
        """Open the data folder; raises what chDB raises when it can't."""
        self._path.mkdir(parents=True, exist_ok=True)
        self._spool.mkdir(parents=True, exist_ok=True)
        for leftover in self._spool.iterdir():
            leftover.unlink()
        for _ in range(CONNECTIONS):
            connection = await asyncio.to_thread(chdb.connect, str(self._path))
            self._all.append(connection)
            self._idle.put_nowait(connection)

    async def run(self, ask: Ask) -> Answer:
        """Run one query; raises ChdbError with ClickHouse's own text."""
        connection = await self._idle.get()
        try:
            return await asyncio.to_thread(self._run, connection, ask)
        finally:
            self._idle.put_nowait(connection)

    def _run(self, connection: Any, ask: Ask) -> Answer:
        connection.query(f"USE {_name(ask.database)}", "Null")
        names = list(ask.settings)
        if names:
            assigned = ", ".join(f"{n} = {_quote(ask.settings[n])}" for n in names)
            connection.query(f"SET {assigned}", "Null")
        try:
            return self._query(connection, ask)
        finally:
            if names:
                reset = ", ".join(f"{n} = DEFAULT" for n in names)
                connection.query(f"SET {reset}", "Null")

    def _query(self, connection: Any, ask: Ask) -> Answer:
        if ask.insert is None:
            return _answer(connection.query(ask.query, ask.output_format, params=ask.parameters))
        head, settings, data_format = ask.insert
        # chDB reads an INSERT's data from a file without copying it into the query's text.
        handle, name = tempfile.mkstemp(dir=self._spool)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(ask.data or b"")
            sql = f"{head} FROM INFILE {_quote(name)}{settings} FORMAT {data_format}"
            return _answer(connection.query(sql, "Null", params=ask.parameters))
        finally:
            os.unlink(name)

    async def stop(self) -> None:
        """Close all connections, waiting for queries that run."""
        for _ in self._all:
            await self._idle.get()
        for connection in self._all:
            await asyncio.to_thread(connection.close)


def _answer(result: Any) -> Answer:
    return Answer(
        output=bytes(result.bytes() or b""),
        read_rows=result.rows_read(),
        read_bytes=result.bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
    )
