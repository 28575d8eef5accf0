"""A person as the subject of an entry: a digest, so that the audit does not keep what is erased."""

from __future__ import annotations

import hashlib
import hmac
import secrets

SALT_BYTES = 16


def person(identity: str, key: bytes | None, salt: bytes | None = None) -> str:
    """``person:<how>:<salt>:<digest>``; another salt each time, so that entries can't be joined.

    With a key nobody else can try out identities. Without one, whoever reads the audit can.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    text = b"person:" + salt + identity.encode("utf-8", "surrogateescape")
    if key is None:
        return f"person:sha256:{salt.hex()}:{hashlib.sha256(text).hexdigest()}"
    return f"person:hmac:{salt.hex()}:{hmac.new(key, text, hashlib.sha256).hexdigest()}"


def is_person(subject: str, identity: str, key: bytes | None) -> bool:
    """Whether an entry's subject is this person; with a key, it must be the one used then."""
    kind, _, rest = subject.partition(":")
    how, _, rest = rest.partition(":")
    if kind != "person" or (how == "hmac" and key is None):
        return False
    try:
        salt = bytes.fromhex(rest.partition(":")[0])
    except ValueError:
        return False
    return person(identity, key if how == "hmac" else None, salt) == subject
