"""The part of Vault's HTTP API that the transit master key uses, as its documentation has it.

A stand-in, not a Vault: it shows that requests have the documented form and that answers of the
documented form are understood. AES-256-GCM with associated data, as ``aes256-gcm96`` keys do.
"""

from __future__ import annotations

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.json_answer import answer

TOKEN = "hvs.test"


class FakeVault(ThreadingHTTPServer):
    """One transit engine with one key."""

    token = TOKEN

    def __init__(self, mount: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths = {f"/v1/{mount}/{act}/{key}": act for act in ("encrypt", "decrypt")}
        self.cipher = AESGCM(os.urandom(32))
        self.sealed = False
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def seal(self) -> None:
        """From now on it answers that it is sealed."""
        self.sealed = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def one(self, act: str, item: dict[str, str]) -> dict[str, Any]:
        bound = b64decode(item["associated_data"])
        if act == "encrypt":
            nonce = os.urandom(12)
            raw = nonce + self.cipher.encrypt(nonce, b64decode(item["plaintext"]), bound)
            return {"ciphertext": f"vault:v1:{b64encode(raw).decode()}", "key_version": 1}
        raw = b64decode(item["ciphertext"].removeprefix("vault:v1:"))
        try:
            clear = self.cipher.decrypt(raw[:12], raw[12:], bound)
        except InvalidTag:
            return {"error": "cipher: message authentication failed"}
        return {"plaintext": b64encode(clear).decode()}


class _Handler(BaseHTTPRequestHandler):
    server: FakeVault

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, body))
        act = self.server.paths.get(self.path)
        if self.server.sealed:
            return answer(self, 503, {"errors": ["Vault is sealed"]})
        if self.headers["X-Vault-Token"] != TOKEN or act is None:
            return answer(self, 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
        results = [self.server.one(act, item) for item in body["batch_input"]]
        failed = any("error" in result for result in results)
        return answer(self, 400 if failed else 200, {"data": {"batch_results": results}})

    do_PUT = do_POST  # noqa: N815 - the name that the base class calls

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def vault(mount: str = "transit", key: str = "headrace") -> Iterator[FakeVault]:
    """A server for the time of a test."""
    server = FakeVault(mount, key)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
