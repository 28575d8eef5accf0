"""Retry by cause: which failures of an INSERT may pass, and which stop the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import clickhouse_connect
import polars as pl
import pytest
from aiohttp import web
from clickhouse_connect.driver.exceptions import (
    DatabaseError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from headrace.endpoints import Endpoints
from headrace.errors import Terminal, Transient
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse import errors, writer
from sinks.clickhouse.culprits import ABOUT_ALL, ABOUT_TYPES
from sinks.clickhouse.errors import PASSING, classify, code_of
from sinks.clickhouse.migrate import Migration
from sinks.clickhouse.writer import Connection, TableSink
from tests.sinks.http_proxy import Proxy
from tests.sinks.place import declare, rows, span
from tests.stack.nobody import nobody_listens

#: By what they are about; for all of them a retry is of no use.
STOPPING = {
    "types and values": {
        6: "CANNOT_PARSE_TEXT",
        27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
        38: "CANNOT_PARSE_DATE",
        41: "CANNOT_PARSE_DATETIME",
        43: "ILLEGAL_TYPE_OF_ARGUMENT",
        53: "TYPE_MISMATCH",
        69: "ARGUMENT_OUT_OF_BOUND",
        70: "CANNOT_CONVERT_TYPE",
        72: "CANNOT_PARSE_NUMBER",
        117: "INCORRECT_DATA",
        131: "TOO_LARGE_STRING_SIZE",
        321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
        349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
        395: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
        407: "DECIMAL_OVERFLOW",
        469: "VIOLATED_CONSTRAINT",
        691: "UNKNOWN_ELEMENT_OF_ENUM",
    },
    "columns": {
        8: "THERE_IS_NO_COLUMN",
        10: "NOT_FOUND_COLUMN_IN_BLOCK",
        16: "NO_SUCH_COLUMN_IN_TABLE",
        47: "UNKNOWN_IDENTIFIER",
    },
    "tables": {60: "UNKNOWN_TABLE", 81: "UNKNOWN_DATABASE", 218: "TABLE_IS_DROPPED"},
    "statements": {62: "SYNTAX_ERROR", 115: "UNKNOWN_SETTING", 48: "NOT_IMPLEMENTED"},
    "access": {
        192: "UNKNOWN_USER",
        193: "WRONG_PASSWORD",
        194: "REQUIRED_PASSWORD",
        195: "IP_ADDRESS_NOT_ALLOWED",
        291: "DATABASE_ACCESS_DENIED",
        497: "ACCESS_DENIED",
        516: "AUTHENTICATION_FAILED",
    },
    "for good": {49: "LOGICAL_ERROR"},
}
NEVER = {code: name for group in STOPPING.values() for code, name in group.items()}


NO_HEADER = "HTTP driver received HTTP status 500, server response: "


def worded(code: int, name: str) -> str:
    """An answer's text as ClickHouse words it."""
    return f"Code: {code}. DB::Exception: what happened. ({name}) (version 26.9.2.1)\n"


@pytest.mark.parametrize(("code", "name"), PASSING.items(), ids=PASSING.values())
def test_what_may_pass_is_transient(code: int, name: str):
    """With the code from the header, and with the text alone."""
    for error in (
        DatabaseError("The ClickHouse server returned an error", code=code),
        DatabaseError(f"{NO_HEADER}{worded(code, name)}"),
        OperationalError(worded(code, name)),
    ):
        found = classify(error, "table 'events'")
        assert type(found) is Transient
        assert "table 'events'" in str(found)


@pytest.mark.parametrize(("code", "name"), NEVER.items(), ids=NEVER.values())
def test_what_cannot_pass_is_terminal(code: int, name: str):
    for error in (
        DatabaseError("The ClickHouse server returned an error", code=code),
        DatabaseError(f"{NO_HEADER}{worded(code, name)}"),
    ):
        found = classify(error, "table 'events'")
        assert type(found) is Terminal
        assert "table 'events'" in str(found)


def test_no_code_is_in_two_groups():
    groups = [g for name, g in vars(errors).items() if isinstance(g, dict) and name.isupper()]
    codes = [code for group in groups if group is not PASSING for code in group]
    assert sorted(codes) == sorted(PASSING)


def test_codes_are_what_the_server_says_they_are(stack: Endpoints):
    """The names here are those of the server's own list, and ours about rows are known here."""
    assert not PASSING.keys() & NEVER.keys()
    assert ABOUT_ALL.keys() | ABOUT_TYPES <= NEVER.keys()
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)
    for code, name in (PASSING | NEVER).items():
        [(said,)] = client.query(f"SELECT errorCodeToName({code})").result_rows
        assert (code, said) == (code, name)


@pytest.mark.parametrize(
    ("error", "code", "policy"),
    [
        # The header decides, not what the text quotes.
        (DatabaseError("Received ClickHouse exception, code: 395, server response: Code: 395. "
                       "DB::Exception: Code: 241. DB::Exception: a quotation", code=395),
         395, Terminal),
        (DatabaseError("Code: 60. DB::Exception: a quotation", code=252), 252, Transient),
        # Without a header the start of the answer does.
        (DatabaseError("HTTP driver received HTTP status 400, server response: Code: 6. "
                       "DB::Exception: Cannot parse string 'Code: 252. DB::Exception: x' as Int64"),
         6, Terminal),
        (DatabaseError("HTTP driver received HTTP status 500, server response: Code: 76. "
                       "DB::ErrnoException: Cannot open file, errno: 28"), 76, Transient),
        # A proxy's page is no answer of ClickHouse, whatever it quotes.
        (DatabaseError("HTTP driver received HTTP status 502, server response: <html>upstream said "
                       "Code: 60. DB::Exception: no such table</html>"), None, Transient),
        (OperationalError("Network Error: Code: 60. DB::Exception"), None, Transient),
        # Others' codes are not ClickHouse's: 404 is no exception code.
        (aiohttp.ClientResponseError(None, (), status=404), None, Transient),  # type: ignore[arg-type]
        (OSError(60, "Code: 60. DB::Exception"), None, Transient),
        (TimeoutError(), None, Transient),
        (ConnectionResetError("reset"), None, Transient),
        # The client would not send it, and will not the next time.
        (ProgrammingError("Setting insert_deduplicate is readonly"), None, Terminal),
        (NotSupportedError("too old"), None, Terminal),
        (ProgrammingError("Client session is unavailable."), None, Transient),
    ],
)  # fmt: skip
def test_a_code_is_only_taken_from_where_codes_stand(
    error: Exception, code: int | None, policy: type[Exception]
):
    assert code_of(error) == code
    assert type(classify(error, "insert")) is policy


@pytest.fixture
def declared(stack: Endpoints, tmp_path: Path) -> Topology:
    made = declare(tmp_path)
    migration = Migration(made, tmp_path, stack.clickhouse)
    migration.apply()
    migration.close()
    return made


BLOCK = span(0, 9)
WRITES = Writes((rows(BLOCK),))


def refusing(status: int, text: str, code: int | None = None) -> Callable[..., web.Response]:
    headers = {} if code is None else {"X-ClickHouse-Exception-Code": str(code)}
    return lambda *_: web.Response(status=status, text=text, headers=headers)


async def hanging(*_: object) -> None:
    await asyncio.sleep(30)


def hanging_up(request: web.Request, _: str) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


ANSWERS = {
    "network": refusing(500, worded(210, "NETWORK_ERROR"), 210),
    "timeout": refusing(408, worded(159, "TIMEOUT_EXCEEDED"), 159),
    "busy": refusing(503, worded(202, "TOO_MANY_SIMULTANEOUS_QUERIES"), 202),
    "no header": refusing(500, worded(252, "TOO_MANY_PARTS")),
    "memory": refusing(500, worded(241, "MEMORY_LIMIT_EXCEEDED"), 241),
    "disk": refusing(500, worded(243, "NOT_ENOUGH_SPACE"), 243),
    "read-only": refusing(500, worded(242, "TABLE_IS_READ_ONLY"), 242),
    "keeper": refusing(500, worded(999, "KEEPER_EXCEPTION"), 999),
    "bad gateway": refusing(502, "<html>Bad Gateway</html>"),
    "unavailable": refusing(503, "Code: 60 is what this page quotes"),
    "gateway timeout": refusing(504, ""),
    "hanging": hanging,
    "hanging up": hanging_up,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_an_insert_that_may_pass_is_asked_once_and_can_be_repeated(
    sink: TableSink, proxy: Proxy, ask: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
):
    """No looking for rows then; the same call writes them once the cause is gone."""
    monkeypatch.setattr(writer, "ANSWER_TIMEOUT_S", 0.5)
    proxy.answer = answer
    with pytest.raises(Transient, match=r"events\[0\]@0-9: clickhouse: table 'events', 10 rows"):
        await sink.apply(BLOCK, WRITES)
    assert {line.split()[2] for line in proxy.inserts} == {sink._qualified}
    proxy.answer = lambda *_: None
    assert await sink.apply(BLOCK, WRITES) == 9
    assert ask("SELECT count() FROM $.events") == [(10,)]


async def test_a_lost_answer_is_transient_and_its_rows_are_there_once(
    sink: TableSink, proxy: Proxy, ask: Any
):
    async def lost(request: web.Request, _: str) -> web.Response:
        proxy.answer = lambda *_: None
        async with proxy._session.post(
            proxy.url, params=request.query, data=await request.read()
        ) as got:
            assert got.status == 200
        proxy.answer = hanging_up
        return hanging_up(request, _)

    proxy.answer = lost
    with pytest.raises(Transient):
        await sink.apply(BLOCK, WRITES)
    assert ask("SELECT count() FROM $.events") == [(10,)]
    proxy.answer = lambda *_: None
    await sink.apply(BLOCK, WRITES)
    assert ask("SELECT count() FROM $.events") == [(10,)]


@pytest.mark.parametrize(
    ("provoke", "relieve", "says"),
    [
        ("MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000",
         "RESET SETTING min_free_disk_bytes_to_perform_insert", "NOT_ENOUGH_SPACE"),
        ("MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1",
         "MODIFY SETTING parts_to_throw_insert = 3000", "TOO_MANY_PARTS"),
    ],
)  # fmt: skip
async def test_a_server_without_room_is_transient(
    sink: TableSink, ask: Any, provoke: str, relieve: str, says: str
):
    ask("SYSTEM STOP MERGES $.events")
    await sink.apply(span(10, 19), Writes((rows(span(10, 19)),)))
    ask(f"ALTER TABLE $.events {provoke}")
    with pytest.raises(Transient, match=says):
        await sink.apply(BLOCK, WRITES)
    ask(f"ALTER TABLE $.events {relieve}")
    await sink.apply(BLOCK, WRITES)
    assert ask("SELECT count() FROM $.events") == [(20,)]


async def test_a_value_that_looks_like_an_error_does_not_become_one(sink: TableSink):
    trap = "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)"
    frame = rows(BLOCK).frame.with_columns(amount=pl.lit(trap))
    with pytest.raises(Terminal, match="Code: 6"):
        await sink.apply(BLOCK, Writes((Rows("events", frame),)))


@pytest.mark.parametrize("user", ["nobody:x", "default:wrong"])
async def test_who_may_not_in_is_terminal(declared: Topology, stack: Endpoints, user: str):
    url = stack.clickhouse.replace("http://", f"http://{user}@")
    sink = TableSink(declared, "events", Connection(url))
    with pytest.raises(Terminal, match=r"all 10 rows.*fix: check user and password.*Code: 516"):
        await sink.apply(BLOCK, WRITES)
    await sink.close()


async def test_nobody_there_is_transient(declared: Topology):
    sink = TableSink(declared, "events", Connection(f"http://127.0.0.1:{nobody_listens()}"))
    with pytest.raises(Transient, match="table 'events'"):
        await sink.apply(BLOCK, WRITES)
    await sink.close()
