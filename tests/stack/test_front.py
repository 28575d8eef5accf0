"""ClickHouse's HTTP interface as clickhouse-connect and bare HTTP use it."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import subprocess
import sys
import tracemalloc
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError

from headrace.endpoints import Endpoints
from headrace.stack.front import compression
from headrace.stack.state import free_ports


@pytest.fixture(scope="module")
def client(stack: Endpoints) -> Iterator[Any]:
    made = clickhouse_connect.get_client(dsn=stack.clickhouse, autogenerate_session_id=False)
    yield made
    made.close()


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:8]}"
    client.command(f"CREATE TABLE {name} (n Int64, s String) ENGINE = MergeTree ORDER BY n")
    yield name
    client.command(f"DROP TABLE {name}")


@pytest.fixture
async def http(stack: Endpoints) -> Any:
    async with aiohttp.ClientSession(stack.clickhouse, auto_decompress=False) as session:
        yield session


def test_a_command_answers_a_scalar(client: Any):
    assert client.command("SELECT 6 * 7") == 42
    assert client.ping()


def test_values_of_many_types(client: Any):
    select = """SELECT toInt64(-9223372036854775808), 1.5, 'é\\'\\n', NULL, [1, 2],
        toDecimal64('1.10', 2), toDateTime64('2026-03-01 11:59:50.123', 3, 'UTC'), (1, 'x'),
        map('k', 2), true"""
    at = datetime(2026, 3, 1, 11, 59, 50, 123_000)
    assert client.query(select).first_row == (
        -(2**63), 1.5, "é'\n", None, [1, 2], Decimal("1.10"), at, (1, "x"), {"k": 2}, True,
    )  # fmt: skip


@pytest.mark.parametrize("value", ["", "it's", "\\", "é\n\t", "a;b--c", "NULL"])
def test_bound_strings_arrive_as_they_are(client: Any, value: str):
    got = client.query("SELECT {v:String} AS v", parameters={"v": value})
    assert got.first_row == (value,)


def test_bound_parameters_of_other_types(client: Any):
    select = "SELECT {n:Int64} + 1, {a:Array(String)}, {d:Date}, {f:Float64}"
    given = {"n": 41, "a": ["x", "it's"], "d": "2026-01-02", "f": 0.5}
    assert client.query(select, parameters=given).first_row[:2] == (42, ["x", "it's"])


def test_a_missing_parameter_is_an_error(client: Any):
    with pytest.raises(DatabaseError, match="456"):
        client.query("SELECT {absent:String}")


def test_native_insert(client: Any, table: str):
    rows = [[i, f"row {i}"] for i in range(1_000)]
    summary = client.insert(table, rows, column_names=["n", "s"])
    assert summary.written_rows == 1_000
    assert client.query(f"SELECT * FROM {table} ORDER BY n").result_rows == [*map(tuple, rows)]


def test_arrow_insert_and_query(client: Any, table: str):
    sent = pa.table({"n": pa.array(range(500), pa.int64()), "s": [str(i) for i in range(500)]})
    client.insert_arrow(table, sent)
    got = client.query_arrow(f"SELECT n, s FROM {table} ORDER BY n", use_strings=True)
    assert got.to_pydict() == sent.to_pydict()


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_compression_of_bodies(stack: Endpoints, table: str, compression: Any):
    with clickhouse_connect.get_client(dsn=stack.clickhouse, compress=compression) as made:
        made.insert(table, [[i, "x" * 50] for i in range(2_000)], column_names=["n", "s"])
        assert made.query(f"SELECT sum(n), count() FROM {table}").first_row == (1_999_000, 2_000)
        assert made.query(f"SELECT s FROM {table}").row_count == 2_000


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("", bytes),
    ],
)
async def test_encodings_in_and_out(http: Any, encoding: str, pack: Any):
    headers = {"Content-Encoding": encoding, "Accept-Encoding": encoding or "identity"}
    sent = pack(b"SELECT repeat('x', 1000)")
    async with http.post("/?enable_http_compression=1", data=sent, headers=headers) as answer:
        body = await answer.read()
        assert answer.headers.get("Content-Encoding", "") == encoding
    assert body == pack(b"x" * 1000 + b"\n") or len(body) < 200
    unpack = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "lz4": lz4.frame.decompress,
        "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b),
        "": bytes,
    }[encoding]
    assert unpack(body) == b"x" * 1000 + b"\n"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("zstd", zstandard.ZstdCompressor().compress),
        ("lz4", lz4.frame.compress),
        ("gzip", gzip.compress),
    ],
)
async def test_a_body_of_several_frames(
    http: Any, client: Any, table: str, encoding: str, pack: Any
):
    sent = pack(b"1\ta\n") + pack(b"2\tb\n")
    url = {"query": f"INSERT INTO {table} FORMAT TabSeparated"}
    async with http.post("/", params=url, data=sent, headers={"Content-Encoding": encoding}) as got:
        assert got.status == 200
    assert client.command(f"SELECT count() FROM {table}") == 2


def test_settings_hold_for_one_query_only(client: Any):
    read = "SELECT getSetting('max_block_size')"
    usual = client.command(read)
    assert client.command(read, settings={"max_block_size": 777}) == 777
    for _ in range(20):  # whatever connection serves it
        assert client.command(read) == usual


def test_settings_are_reset_after_an_error(client: Any):
    usual = client.command("SELECT getSetting('max_block_size')")
    for _ in range(10):
        with pytest.raises(DatabaseError):
            client.command("SELECT no_such", settings={"max_block_size": 778})
    for _ in range(20):
        assert client.command("SELECT getSetting('max_block_size')") == usual


def test_one_bad_setting_of_two_leaves_no_trace(client: Any):
    usual = client.command("SELECT getSetting('max_block_size')")
    with pytest.raises(DatabaseError):
        client.raw_query("SELECT 1", settings={"max_block_size": 779, "max_threads": "many"})
    for _ in range(20):
        assert client.command("SELECT getSetting('max_block_size')") == usual


def test_the_database_holds_for_one_query_only(client: Any, stack: Endpoints):
    client.command("CREATE DATABASE IF NOT EXISTS elsewhere")
    with clickhouse_connect.get_client(dsn=stack.clickhouse, database="elsewhere") as other:
        assert other.command("SELECT currentDatabase()") == "elsewhere"
    assert {client.command("SELECT currentDatabase()") for _ in range(20)} == {"default"}


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("SELECT no_such", 47, 404),
        ("SELEC 1", 62, 400),
        ("SELECT * FROM no_such", 60, 404),
        ("SELECT * FROM no_such.t", 81, 404),
        ("SELECT toInt32('x')", 6, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT sleep(1) SETTINGS max_execution_time = 0.1", 159, 408),
        ("", 36, 400),
    ],
)
async def test_errors_carry_code_and_status(http: Any, query: str, code: int, status: int):
    async with http.post("/", data=query) as answer:
        text = await answer.text()
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(code), text
        assert answer.status == status
        assert text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_error_names_what_is_wrong(client: Any):
    with pytest.raises(DatabaseError, match=r"Code: 60.*no_such_table"):
        client.query("SELECT * FROM no_such_table")


def test_an_insert_that_does_not_parse_leaves_nothing(client: Any, table: str):
    with pytest.raises(DatabaseError, match="Code: 27"):
        client.raw_insert(table, ["n", "s"], insert_block=b"1\ta\nx\tb\n", fmt="TabSeparated")
    assert client.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize("sent", [b"\xff\xfe\x00garbage", b"\x00" * 1000])
async def test_garbage_is_refused(http: Any, sent: bytes):
    async with http.post("/", data=sent) as answer:
        assert answer.status == 400
        assert answer.headers["X-ClickHouse-Exception-Code"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd", "br"])
async def test_a_body_that_is_not_in_its_encoding_is_refused(http: Any, encoding: str):
    async with http.post("/", data=b"SELECT 1", headers={"Content-Encoding": encoding}) as answer:
        assert answer.status == 400
        assert encoding in await answer.text()


async def test_a_truncated_body_is_refused(http: Any):
    for encoding, pack in [
        ("lz4", lz4.frame.compress),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ]:
        sent = pack(b"SELECT '" + os.urandom(500).hex().encode() + b"'")[:-100]
        async with http.post("/", data=sent, headers={"Content-Encoding": encoding}) as answer:
            assert answer.status == 400, encoding


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO {t} FORMAT TabSeparated\n1\ta\n2\tb\n",
        "insert into {t} (n, s)\nformat CSV\n1,a\n2,b\n",
        "INSERT INTO {t} SETTINGS max_insert_threads = 1 FORMAT JSONEachRow\n"
        '{{"n": 1, "s": "a"}}\n{{"n": 2, "s": "b"}}',
        "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO {t} SELECT number + 1, char(97 + number) FROM numbers(2)",
        "INSERT INTO {t} FORMAT Values (1, 'a'), (2, 'b')",
    ],
)
async def test_forms_of_insert(http: Any, client: Any, table: str, text: str):
    async with http.post("/", data=text.format(t=table)) as answer:
        assert answer.status == 200, await answer.text()
    assert client.query(f"SELECT * FROM {table} ORDER BY n").result_rows == [(1, "a"), (2, "b")]


async def test_a_get_query_and_ping(http: Any):
    async with http.get("/ping") as answer:
        assert await answer.text() == "Ok.\n"
    async with http.get("/", params={"query": "SELECT 1", "default_format": "JSON"}) as answer:
        assert (await answer.json(content_type=None))["data"] == [{"1": 1}]


async def test_a_long_url(http: Any):
    url = {"query": "SELECT length({v:String})", "param_v": "x" * 100_000}
    async with http.post("/", params=url) as answer:
        assert await answer.text() == "100000\n"


async def test_query_id_comes_back(http: Any):
    async with http.post("/?query_id=mine", data="SELECT 1") as answer:
        assert answer.headers["X-ClickHouse-Query-Id"] == "mine"


@pytest.mark.parametrize(
    "auth",
    [{"user": "nobody"}, {"user": "default", "password": "wrong"}],
)
async def test_a_wrong_user_is_refused(http: Any, auth: dict[str, str]):
    async with http.post("/", params=auth, data="SELECT 1") as answer:
        assert answer.status == 403
        assert answer.headers["X-ClickHouse-Exception-Code"] == "516"
    headers = {"X-ClickHouse-User": auth["user"], "X-ClickHouse-Key": "wrong"}
    async with http.post("/", headers=headers, data="SELECT 1") as answer:
        assert answer.status == 403
    async with http.post("/", headers={"Authorization": "Basic !!!"}, data="SELECT 1") as answer:
        assert answer.status == 403


def test_clickhouse_connect_with_a_wrong_password(stack: Endpoints):
    url = stack.clickhouse.replace("http://", "http://default:wrong@")
    with pytest.raises(DatabaseError, match="516"):
        clickhouse_connect.get_client(dsn=url)


def test_a_big_result(client: Any):
    got = client.query_arrow("SELECT number, toString(number) AS s FROM numbers(1000000)")
    assert got.num_rows == 1_000_000
    assert got["number"][-1].as_py() == 999_999


def test_a_streamed_result(client: Any):
    with client.query_row_block_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(len(block) for block in stream) == 300_000


async def test_async_clients_side_by_side(stack: Endpoints, table: str):
    made = await clickhouse_connect.get_async_client(
        dsn=stack.clickhouse, autogenerate_session_id=False
    )

    async def one(i: int) -> int:
        await made.insert(table, [[i, f"{i}"]], column_names=["n", "s"])
        got = await made.query("SELECT {i:Int64} * 2", parameters={"i": i})
        return int(got.first_row[0])

    assert await asyncio.gather(*map(one, range(40))) == [2 * i for i in range(40)]
    assert (await made.query(f"SELECT count(), sum(n) FROM {table}")).first_row == (40, 780)
    await made.close()


def test_threads_with_different_settings_do_not_mix(stack: Endpoints, client: Any):
    def one(i: int) -> bool:
        read = "SELECT getSetting('max_block_size'), sleep(0.01)"
        return client.query(read, settings={"max_block_size": 1000 + i}).first_row[0] == 1000 + i

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(80)))


def test_a_server_with_users_and_a_restart(tmp_path: Path):
    """Data and users survive: what was answered is on disk."""
    (port,) = free_ports(1)
    env = {**os.environ, "HEADRACE_FRONT_USERS": "ann:se:cret,bob:"}
    argv = [sys.executable, "-m", "headrace.stack.front", "--data", str(tmp_path / "d"),
            "--port", str(port), "--die-with-parent"]  # fmt: skip
    url = f"http://ann:{'se%3Acret'}@127.0.0.1:{port}"
    for turn in range(2):
        server = subprocess.Popen(argv, env=env)
        try:
            _until_listening(port, server)
            with clickhouse_connect.get_client(dsn=url) as made:
                made.command("CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE MergeTree ORDER BY n")
                made.insert("t", [[turn]], column_names=["n"])
                assert made.command("SELECT count() FROM t") == turn + 1
            with pytest.raises(DatabaseError, match="516"):
                clickhouse_connect.get_client(dsn=f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            assert server.wait(30) == 0


def _until_listening(port: int, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with socket.socket() as s:
            s.settimeout(1)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("the server ended while starting")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd"])
def test_what_unpacks_to_too_much_is_refused_before_it_is_all_there(
    monkeypatch: pytest.MonkeyPatch, encoding: str
):
    monkeypatch.setattr(compression, "MAX_BODY_BYTES", 1 << 20)
    assert compression.decompress(compression.compress(bytes(1 << 20), encoding), encoding)
    bomb = compression.compress(bytes(128 << 20), encoding)
    tracemalloc.start()
    try:
        with pytest.raises(compression.UnknownEncoding, match="more than 1,048,576 bytes"):
            compression.decompress(bomb, encoding)
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


async def test_a_database_s_name_is_a_name(http: Any, client: Any):
    hostile = {
        "X-ClickHouse-Database": "default`; CREATE TABLE broken_in (n Int8) ENGINE = Null; --"
    }
    async with http.post("/", params={"query": "SELECT 1"}, headers=hostile) as answer:
        assert answer.status == 404
        assert "does not exist" in await answer.text()
    assert client.command("EXISTS TABLE default.broken_in") == 0
