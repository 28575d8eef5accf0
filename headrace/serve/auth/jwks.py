"""A JSON Web Key Set as the keys that may sign tokens; everything else in it is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MIN_RSA_BITS = 2048
MAX_BYTES = 1 << 20
MAX_KEYS = 100
#: The public members of a key by its type, and the algorithm that it is bound to.
_KINDS = {"RSA": (("kty", "n", "e"), "RS256"), "EC": (("kty", "crv", "x", "y"), "ES256")}


class NotAKeySet(ValueError):
    """The document is no key set."""


def parse(document: bytes) -> dict[str, jwt.PyJWK]:
    """RSA keys of 2048 bits and P-256 keys for signatures, by ``kid`` (empty: it has none).

    Each is bound to one algorithm, so that no token chooses another. Private members are not read,
    and neither are symmetric keys. Raises NotAKeySet.
    """
    if len(document) > MAX_BYTES:
        raise NotAKeySet(f"has {len(document):,} bytes, more than {MAX_BYTES:,}")
    try:
        content = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise NotAKeySet(f"is not JSON: {error}") from error
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise NotAKeySet("has no list 'keys'")
    found = {}
    for entry in listed[:MAX_KEYS]:
        key = _key(entry) if isinstance(entry, dict) else None
        if key is not None:
            found[str(entry.get("kid", ""))] = key
    return found


def _key(entry: Mapping[str, Any]) -> jwt.PyJWK | None:
    members, algorithm = _KINDS.get(str(entry.get("kty")), ((), ""))
    if not members or entry.get("alg", algorithm) != algorithm:
        return None
    if entry.get("use", "sig") != "sig":
        return None
    if algorithm == "ES256" and entry.get("crv") != "P-256":
        return None
    try:
        key = jwt.PyJWK({name: entry[name] for name in members}, algorithm)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
        return None
    return key
