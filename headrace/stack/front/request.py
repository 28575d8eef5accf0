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
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s", re.IGNORECASE)
_INSERT_FORMAT = re.compile(
    r"(?P<head>\s*INSERT\s+INTO\s.+?)(?P<settings>\sSETTINGS\s.+?)?\s+FORMAT\s+(?P<format>\w+)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)


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
    if _INSERT.match(body):
        head, newline, rest = body.partition(b"\n")
        while True:
            insert = _insert(_decode(head, "ignore"))
            if insert:
                return _decode(head), rest, insert
            if not newline or len(head) > 1 << 20:
                break
            line, newline, rest = rest.partition(b"\n")
            head += b"\n" + line
    return _decode(body), None, None


def _insert(text: str) -> tuple[str, str, str] | None:
    match = _INSERT_FORMAT.fullmatch(text)
    if match is None:
        return None
    return match["head"], match["settings"] or "", match["format"]


def _decode(raw: bytes, errors: str = "strict") -> str:
    try:
        return raw.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the query is not UTF-8: {error}") from error
