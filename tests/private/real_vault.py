"""A real OpenBao or Vault in development mode, for the tests that ``HEADRACE_TEST_VAULT`` asks for.

The variable is the path of a ``bao`` or ``vault`` program: no registry that the tests may use has
one, so they can't install it by themselves (docs/private-data.md says how it was built).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import hvac
import requests

from headrace.stack.state import free_ports

PROGRAM = os.environ.get("HEADRACE_TEST_VAULT", "")
START_S = 30.0
POLICY = "".join(
    f'path "transit/{act}/headrace" {{ capabilities = ["update"] }}\n'
    for act in ("encrypt", "decrypt")
)


@dataclass
class RealVault:
    """A server whose ``token`` may do what docs/private-data.md says is needed, and no more."""

    url: str
    token: str
    _root: hvac.Client

    def seal(self) -> None:
        """From now on it answers that it is sealed."""
        self._root.sys.seal()


@contextmanager
def real_vault() -> Iterator[RealVault]:
    """A server for the time of a test, with the transit engine and its key."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    options = ["-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(
        [PROGRAM, "server", "-dev-no-store-token", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        root = hvac.Client(url, "root")
        _wait(root, process)
        root.sys.enable_secrets_engine("transit")
        root.secrets.transit.create_key("headrace")
        root.sys.create_or_update_policy("headrace", POLICY)
        token = root.auth.token.create(policies=["headrace"])["auth"]["client_token"]
        yield RealVault(url, token, root)
    finally:
        process.terminate()
        process.wait(20)


def _wait(client: hvac.Client, process: subprocess.Popen[bytes]) -> None:
    """Until the server serves."""
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, f"{PROGRAM} server ended"
        try:
            if client.sys.is_initialized() and not client.sys.is_sealed():
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, f"{PROGRAM} server does not answer"
        time.sleep(0.1)
