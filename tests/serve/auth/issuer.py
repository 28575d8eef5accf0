"""An issuer of tokens, good and bad, and a real HTTP server for its key set."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER, AUDIENCE = "https://issuer.example", "headrace"
PRIVATE = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}
STRANGER = ec.generate_private_key(ec.SECP256R1())
_ALGORITHMS = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}


def jwk(algorithm: str, kid: str, key: Any = None) -> dict[str, Any]:
    """The public half of a key."""
    public = (key or PRIVATE[algorithm]).public_key()
    return {**_ALGORITHMS[algorithm].to_jwk(public, as_dict=True), "kid": kid, "use": "sig"}


def key_set(*more: dict[str, Any]) -> bytes:
    return json.dumps({"keys": [*(jwk(name, name) for name in PRIVATE), *more]}).encode()


def pem(algorithm: str) -> bytes:
    """What an attacker takes for a shared secret: the public key, as it is published."""
    return (
        PRIVATE[algorithm]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token; None leaves one out."""
    now = int(time.time())
    content = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300}
    return {name: value for name, value in {**content, **changed}.items() if value is not None}


def token(algorithm: str = "ES256", key: Any = None, kid: str | None = None, **changed: Any) -> str:
    """A signed token; ``kid`` is by default the key's own name."""
    header = {"kid": algorithm if kid is None else kid}
    return jwt.encode(claims(**changed), key or PRIVATE[algorithm], algorithm, header)


def by_hand(header: dict[str, Any], content: dict[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(content).encode(), signature]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class Published:
    """A key set at an address, and how often it was asked for."""

    url: str = ""
    document: bytes = field(default_factory=key_set)
    status: int = 200
    asked: int = 0


@contextmanager
def published() -> Iterator[Published]:
    """A real server of the key set."""
    state = Published()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked += 1
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.document)))
            self.end_headers()
            self.wfile.write(state.document)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
