"""Who asks: a name and a password, wherever ClickHouse's clients put them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping


def known(users: Mapping[str, str], url: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Whether a request is from one of the users (name → password)."""
    name = url.get("user") or headers.get("X-ClickHouse-User")
    password = url.get("password") or headers.get("X-ClickHouse-Key") or ""
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if name is None and scheme.lower() == "basic":
        try:
            plain = base64.b64decode(credentials, validate=True).decode()
        except ValueError:  # not ASCII, not base64, not UTF-8
            return False
        name, _, password = plain.partition(":")
    expected = users.get(name or "default")
    return expected is not None and hmac.compare_digest(_raw(expected), _raw(password))


def _raw(text: str) -> bytes:
    """The bytes that came: what was not UTF-8 in a header is surrogates in its text."""
    return text.encode("utf-8", "surrogatepass")
