"""Where the issuer's key set is read from: its URL, or a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import aiohttp

from headrace.errors import Transient
from headrace.serve.auth.jwks import MAX_BYTES

TIMEOUT_S = 5.0


class Source(Protocol):
    """Gives the document as it is now."""

    async def read(self) -> bytes:
        """The document, or one byte more than is allowed of it; raises Transient."""


class File:
    """A file, which may be replaced while it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes:
        """See ``Source``."""
        try:
            return await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            raise Transient(f"key set {str(self._path)!r}: {error.strerror}") from error


class Url:
    """An address. Redirects are not followed: the topology says who is believed."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(self) -> bytes:
        """See ``Source``."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise Transient(f"key set {self._url}: answers with status {answer.status}")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(1 << 16):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        break
                return bytes(body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient(f"key set {self._url}: {type(error).__name__}: {error}") from error


def source(root: Path, jwks: str) -> Source:
    """What ``serve.auth.jwks`` means."""
    return Url(jwks) if "://" in jwks else File(root / jwks)
