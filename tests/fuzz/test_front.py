"""Any request to the ClickHouse front: what the engine is asked, or a refusal that says why."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from urllib.parse import parse_qsl

import lz4.frame
import pytest
import zstandard

from headrace.stack.front.compression import UnknownEncoding
from headrace.stack.front.request import BadRequest, parse
from headrace.stack.front.users import known
from tests.fuzz.hunt import SHARE_S, bounded, hunt, kept, mangled

INSERT = b"INSERT INTO t (a, b) SETTINGS x=1 FORMAT Native\n\x01\x02"
SEEDS = [
    b"query=SELECT+1&database=d&param_a=1\nAccept-Encoding: lz4\n\n",
    b"user=u&password=p\nAuthorization: Basic dTpw\nX-ClickHouse-User: a\n\n" + INSERT,
    *(
        b"\nContent-Encoding: " + name + b"\nX-ClickHouse-Database: x\n\n" + pack(INSERT)
        for name, pack in (
            (b"gzip", gzip.compress),
            (b"deflate", zlib.compress),
            (b"lz4", lz4.frame.compress),
            (b"zstd", zstandard.compress),
        )
    ),
]
TOKENS = [
    b"INSERT INTO ", b" FORMAT ", b" SETTINGS ", b"\n", b"\n" * 500, b"&", b"=", b"%00", b"%ff",
    b"+", b"compress=1", b"Content-Encoding: ", b"gzip", b"lz4", b"zstd", b"deflate",
    b"Authorization: Basic ", b"X-ClickHouse-Key: ", b"\xff", b"\xed\xa0\x80", b"'", b"`", b"\0",
]  # fmt: skip
USERS = {"default": "", "u": "p"}


def target(data: bytes) -> None:
    """The URL's query on a line, a line a header, an empty one, the body: as aiohttp gives them."""
    head, _, body = data.partition(b"\n\n")
    line, _, rest = head.partition(b"\n")
    url = dict(parse_qsl(line.decode("latin-1"), keep_blank_values=True))
    pairs = (text.partition(": ") for text in rest.decode("utf-8", "surrogateescape").split("\n"))
    headers = {name: value for name, _, value in pairs}
    known(USERS, url, headers)
    with contextlib.suppress(BadRequest, UnknownEncoding):
        ask = parse(url, headers, body)
        assert ask.query.strip()
        "".join((ask.query, ask.database, ask.output_format, *ask.settings)).encode()


@pytest.mark.parametrize("data", kept("front"))
def test_kept(data: bytes) -> None:
    bounded(target, data)


@pytest.mark.timeout(SHARE_S + 300)
def test_hunt() -> None:
    hunt(target, mangled(SEEDS, TOKENS))
