"""The master key in Vault's or OpenBao's transit engine: it never leaves the server."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hvac
import requests
from hvac.exceptions import InternalServerError, RateLimitExceeded, VaultDown, VaultError

from headrace.errors import ConfigError, Transient

TIMEOUT_S = 10
_PASSING = (VaultDown, InternalServerError, RateLimitExceeded)


class TransitMaster:
    """Implements ``MasterKey``. One request wraps or unwraps any number of keys.

    Address, token, namespace and CA come from ``VAULT_ADDR``, ``VAULT_TOKEN`` (or the file
    ``~/.vault-token``), ``VAULT_NAMESPACE`` and ``VAULT_CACERT``, as every client of Vault takes
    them. The key must be of an AEAD type (``aes256-gcm96``, the default), for names to be bound.
    """

    def __init__(self, key: str, mount: str) -> None:
        self._key = key
        self._mount = mount
        self._client = hvac.Client(timeout=TIMEOUT_S)

    def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[str]:
        """See ``MasterKey``."""
        batch = [
            {"plaintext": _base64(key), "associated_data": _base64(name.encode())}
            for name, key in keys
        ]
        transit = self._client.secrets.transit
        return self._ask("encrypt with", transit.encrypt_data, batch, "ciphertext")

    def unwrap(self, wrapped: Sequence[tuple[str, str]]) -> list[bytes]:
        """See ``MasterKey``."""
        batch = [
            {"ciphertext": text, "associated_data": _base64(name.encode())}
            for name, text in wrapped
        ]
        transit = self._client.secrets.transit
        keys = self._ask("decrypt with", transit.decrypt_data, batch, "plaintext")
        return [b64decode(key) for key in keys]

    def _ask(
        self, doing: str, call: Callable[..., Any], batch: list[dict[str, str]], wanted: str
    ) -> list[str]:
        what = f"vault at {self._client.url}: can't {doing} key {self._key!r} of {self._mount!r}"
        try:
            answer = call(name=self._key, batch_input=batch, mount_point=self._mount)
        except (requests.RequestException, *_PASSING) as error:
            raise Transient(f"{what}: {error!r}") from error
        except VaultError as error:
            said = " ".join(str(error).split())
            raise ConfigError(
                f"{what}: {said}; check VAULT_TOKEN and its policy, and private.transit in "
                f"topology.yaml"
            ) from error
        results: Sequence[Mapping[str, str]] = answer["data"]["batch_results"]
        for result in results:
            if result.get("error"):
                raise ConfigError(f"{what}: {result['error']}")
        return [result[wanted] for result in results]


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
