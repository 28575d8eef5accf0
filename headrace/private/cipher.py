"""Private values as text: sealed with a person's key, or replaced by a pseudonym.

``hrx1:`` and the base64url of nonce (12 bytes), AES-256-GCM ciphertext and tag (16 bytes);
``hrp1:`` and the base64url of an HMAC-SHA256. Without padding, so both are plain words.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.errors import HeadraceError

SEALED: Final = "hrx1:"
PSEUDONYM: Final = "hrp1:"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


class Unreadable(HeadraceError):
    """A sealed value can't be opened: no key, another person's or field's, or damaged."""


def context(topic: str, field: str) -> bytes:
    """What a value is bound to besides its person; neither name can contain a zero byte."""
    return f"{topic}\0{field}\0".encode()


def seal(key: AESGCM, value: bytes, bound: bytes, nonce: bytes) -> str:
    """Encrypt ``value``; it opens only with the same key and ``bound``.

    ``nonce`` is NONCE_BYTES of the system's randomness, for this call only: GCM gives away the key
    when one is used twice.
    """
    return SEALED + _word(nonce + key.encrypt(nonce, value, bound))


def open_(key: AESGCM, text: str, bound: bytes) -> bytes:
    """The value that was sealed; raises Unreadable, whose text never quotes it."""
    body = text.removeprefix(SEALED)
    if body == text:
        raise Unreadable(f"does not start with {SEALED!r}")
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise Unreadable(f"not sealed for this person and field, or damaged: {error!r}") from None


def pseudonym(secret: bytes, value: bytes) -> str:
    """The same for equal values, whatever topic and field: so that rows can be joined by it."""
    digest = hmac.digest(secret, value, "sha256")
    return PSEUDONYM + _word(digest)


def _word(raw: bytes) -> str:
    """Base64url without padding; half the time of the standard library's wrapper."""
    return binascii.b2a_base64(raw, newline=False).translate(_URLSAFE, b"=").decode()
