"""Bodies in transit: gzip, deflate, lz4 frames, zstd."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame
import zstandard

#: Of a request, as it is sent and unpacked.
MAX_BODY_BYTES = 1 << 31
#: Unpacked at a time, so that what a few bytes stand for is counted before there is much of it:
#: zstd makes at most 32 MB of so many.
PIECE = 1_024


class UnknownEncoding(ValueError):
    """No codec for this Content-Encoding, or the body is not in it."""


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding."""
    try:
        match encoding.strip().lower():
            case "" | "identity":
                return body
            case "gzip":
                return _frames(lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), body)
            case "deflate":
                return _frames(zlib.decompressobj, body)
            case "lz4":
                return _frames(lz4.frame.LZ4FrameDecompressor, body)
            case "zstd":
                return _frames(zstandard.ZstdDecompressor().decompressobj, body)
    except (OSError, EOFError, zlib.error, RuntimeError, zstandard.ZstdError) as error:
        raise UnknownEncoding(f"the body is not {encoding!r}: {error}") from error
    raise UnknownEncoding(f"Content-Encoding {encoding!r}: use gzip, deflate, lz4 or zstd")


def _frames(start: Callable[[], Any], body: bytes) -> bytes:
    """All frames of a body; raises EOFError when the last one is not whole."""
    parts, size, at = [], 0, 0
    while at < len(body):
        frame = start()
        while not frame.eof:
            if at >= len(body):
                raise EOFError("it ends inside a frame")
            piece = body[at : at + PIECE]
            parts.append(bytes(frame.decompress(piece)))
            at += len(piece)
            size += len(parts[-1])
            if size > MAX_BODY_BYTES:
                raise UnknownEncoding(f"the body is more than {MAX_BODY_BYTES:,} bytes unpacked")
        at -= len(frame.unused_data or b"")
    return b"".join(parts)


def compress(body: bytes, encoding: str) -> bytes:
    """Apply one of the encodings that ``parse`` picks."""
    match encoding:
        case "gzip":
            return gzip.compress(body, 1)
        case "deflate":
            return zlib.compress(body, 1)
        case "lz4":
            return bytes(lz4.frame.compress(body))
        case "zstd":
            return zstandard.ZstdCompressor(level=1).compress(body)
    raise UnknownEncoding(f"Accept-Encoding {encoding!r}")
