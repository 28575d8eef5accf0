"""Tokens for development: a key pair of this folder, and JWTs signed with it."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headrace.endpoints import state_dir
from headrace.errors import ConfigError

FILE: Final = "token.key"
ALGORITHM: Final = "ES256"


@dataclass(frozen=True, slots=True, repr=False)
class Issuer:
    """A P-256 key that signs tokens. Its name is its RFC 7638 thumbprint."""

    key: ec.EllipticCurvePrivateKey

    @property
    def kid(self) -> str:
        """The key's name in tokens and in the key set."""
        members = {name: self._public[name] for name in ("crv", "kty", "x", "y")}
        digest = sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def jwk(self) -> dict[str, str]:
        """The public key, for a key set."""
        return {**self._public, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token of these claims."""
        return jwt.encode(dict(claims), self.key, ALGORITHM, {"kid": self.kid})

    @property
    def _public(self) -> dict[str, str]:
        algorithm = jwt.algorithms.ECAlgorithm
        return dict(algorithm.to_jwk(self.key.public_key(), as_dict=True))


def local_issuer(root: Path) -> Issuer:
    """The key in ``.headrace``; made when there is none, readable by its owner only.

    Raises ConfigError when the file holds something else.
    """
    path = state_dir(root) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Issuer(_read(path))
    key = ec.generate_private_key(ec.SECP256R1())
    with os.fdopen(handle, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return Issuer(key)


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: can't be read as a private key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ConfigError(f"{path}: is no P-256 key; delete it and a new one is made")
    return key
