"""An OAuth 2 server of a test's own: tokens for clients that know their secret, keys for Kafka."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.json_answer import answer

ISSUER, AUDIENCE, KEY_ID = "test", "kafka", "one"


class TokenServer:
    """Serves ``/token`` and ``/keys`` on 127.0.0.1; ``clients`` are ids with their secrets."""

    def __init__(self, clients: dict[str, str], life_s: int = 300) -> None:
        self.issued = 0
        self._clients = clients
        self._life_s = life_s
        self._key = rsa.generate_private_key(65537, 2048)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self, 200, {"keys": [outer._public()]})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                client = outer._client(self.headers.get("Authorization", ""), parse_qs(body))
                if client is None:
                    answer(self, 401, {"error": "invalid_client"})
                else:
                    token = outer._token(client)
                    answer(self, 200, {"access_token": token, "expires_in": outer._life_s})

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{self._server.server_port}"
        self.token_url, self.keys_url = f"{root}/token", f"{root}/keys"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _client(self, authorization: str, form: dict[str, list[str]]) -> str | None:
        if form.get("grant_type") != ["client_credentials"]:
            return None
        plain = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        # RFC 6749, 2.3.1: both are form-encoded before they are joined; not all clients do it.
        name, _, secret = plain.partition(":")
        known = self._clients.get(unquote(name))
        return unquote(name) if known is not None and known in (secret, unquote(secret)) else None

    def _public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID,
            "n": _number(numbers.n), "e": _number(numbers.e),
        }  # fmt: skip

    def _token(self, client: str) -> str:
        self.issued += 1
        now = int(time.time())
        claims = {
            "sub": client, "iss": ISSUER, "aud": AUDIENCE, "scope": "kafka",
            "iat": now, "exp": now + self._life_s,
        }  # fmt: skip
        head = _text(json.dumps({"alg": "RS256", "typ": "JWT", "kid": KEY_ID}).encode())
        signed = f"{head}.{_text(json.dumps(claims).encode())}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
