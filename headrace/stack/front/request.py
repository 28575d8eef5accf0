"""What a client asks for: query, data, settings, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.stack.front.compression import decompress

#: URL parameters that are not settings.
RESERVED = frozenset(
    {
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "compress",
        "decompress",
        "enable_http_compression",
        "http_zlib_compression_level",
        "wait_end_of_query",
        "buffer_size",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
    }
)
_INSERT = re.compile(r"\s*+INSERT\s++INTO\s", re.IGNORECASE)
_SETTINGS = re.compile(r"\sSETTINGS\s", re.IGNORECASE)
#: The end of an INSERT whose data comes apart, and of one whose data begins on the next line. One
#: pass finds each: the possessive quantifiers never try again.
_FORMAT = re.compile(r"\sFORMAT\s++(\w++)\s*+(?:;\s*+)?\Z", re.IGNORECASE)
_FORMAT_LINE = re.compile(rb"\sFORMAT\s++\w++[^\S\n]*+(?:;[^\S\n]*+)?\n", re.IGNORECASE)
#: How far into a body its INSERT may reach.
MAX_INSERT_BYTES = 1 << 20


class BadRequest(ValueError):
    """The request is malformed; the text says how."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``data`` is what an INSERT … FORMAT reads, None for every other query."""

    query: str
    data: bytes | None
    database: str
    output_format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    compress_with: str | None = None
    insert: tuple[str, str, str] | None = field(default=None)  # head, settings, format


def parse(url: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Ask:
    """Read a request as ClickHouse does; raises BadRequest."""
    if url.get("compress") == "1" or url.get("decompress") == "1":
        raise BadRequest("compress and decompress (native blocks) are not supported here; use "
                         "Content-Encoding and Accept-Encoding")  # fmt: skip
    if body:
        body = decompress(body, headers.get("Content-Encoding", ""))
    text, data, insert = _query(url.get("query", ""), body)
    if not text.strip():
        raise BadRequest("Empty query")
    if "\0" in text:  # chDB takes the text up to there
        raise BadRequest(
            f"the query has a NUL at character {text.index(chr(0))}; write \\0 in a literal"
        )
    _utf8(*url.items(), ("X-ClickHouse-Database", headers.get("X-ClickHouse-Database", "")),
          ("X-ClickHouse-Format", headers.get("X-ClickHouse-Format", "")))  # fmt: skip
    accepted = headers.get("Accept-Encoding", "")
    wanted = next((e for e in ("lz4", "zstd", "gzip", "deflate") if e in accepted), None)
    return Ask(
        query=text,
        data=data,
        database=url.get("database") or headers.get("X-ClickHouse-Database") or "default",
        output_format=(
            url.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
        ),
        settings={
            name: value
            for name, value in url.items()
            if name not in RESERVED and not name.startswith("param_")
        },
        parameters={k[6:]: v for k, v in url.items() if k.startswith("param_")},
        compress_with=wanted if url.get("enable_http_compression") == "1" else None,
        insert=insert,
    )


def _query(text: str, body: bytes) -> tuple[str, bytes | None, tuple[str, str, str] | None]:
    """Tell the query from its data: the query is in the URL, or first in the body."""
    if text:
        insert = _insert(text)
        if insert:
            return text, body, insert
        return text + _decode(body), None, None
    line = _FORMAT_LINE.search(body, 0, MAX_INSERT_BYTES)
    if line is not None:
        insert = _insert(_decode(body[: line.end()], "ignore"))
        if insert:
            return _decode(body[: line.end() - 1]), body[line.end() :], insert
    text = _decode(body)
    insert = _insert(text)
    return text, b"" if insert else None, insert


def _insert(text: str) -> tuple[str, str, str] | None:
    """Head, settings and format of an INSERT that ends with its FORMAT."""
    begin, end = _INSERT.match(text), _FORMAT.search(text)
    if begin is None or end is None or end.start() <= begin.end():
        return None
    head = text[: end.start()].rstrip()
    settings = _SETTINGS.search(head, begin.end() + 1)
    if settings is None:
        return head, "", end[1]
    return head[: settings.start()], head[settings.start() :], end[1]


def _decode(raw: bytes, errors: str = "strict") -> str:
    try:
        return raw.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the query is not UTF-8: {error}") from error


def _utf8(*named: tuple[str, str]) -> None:
    """Refuse what came in bytes that are no text."""
    for name, value in named:
        try:
            (name + value).encode()
        except UnicodeEncodeError as error:
            raise BadRequest(f"{name!r} is not UTF-8: {error.reason}") from None
