"""The master key, which wraps the keys in the ring: one interface, and the local one."""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.endpoints import state_dir
from headrace.errors import ConfigError
from headrace.private.cipher import KEY_BYTES, NONCE_BYTES

VARIABLE: Final = "HEADRACE_MASTER_KEY"
FILE: Final = "master.key"


class MasterKey(Protocol):
    """Wraps keys so that only its holder unwraps them; a wrapped key is bound to its name.

    Raises Transient when it can't be reached, ConfigError when it refuses.
    """

    def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[str]:
        """Wrap each named key."""

    def unwrap(self, wrapped: Sequence[tuple[str, str]]) -> list[bytes]:
        """The keys that were wrapped under these names."""


class LocalMaster:
    """A master key in this process: for development, or a secret mounted into the container."""

    def __init__(self, key: bytes, origin: str) -> None:
        """``origin`` says in errors where the key came from."""
        self._cipher = AESGCM(key)
        self._origin = origin

    def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[str]:
        """See ``MasterKey``."""
        return [self._wrap(name, key) for name, key in keys]

    def _wrap(self, name: str, key: bytes) -> str:
        nonce = os.urandom(NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, key, name.encode())).decode()

    def unwrap(self, wrapped: Sequence[tuple[str, str]]) -> list[bytes]:
        """See ``MasterKey``."""
        return [self._unwrap(name, text) for name, text in wrapped]

    def _unwrap(self, name: str, text: str) -> bytes:
        try:
            raw = b64decode(text, validate=True)
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], name.encode())
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise ConfigError(
                f"the master key of {self._origin} does not open {name!r} of the key ring "
                f"({error!r}): use the one that the ring was made with"
            ) from None


def local_master(root: Path, environ: Mapping[str, str] = os.environ) -> LocalMaster:
    """The key in ``HEADRACE_MASTER_KEY``, else in the file that ``headrace keys init`` made.

    Raises ConfigError when there is none, or when it is not the base64 of 32 bytes.
    """
    text, origin = environ.get(VARIABLE), VARIABLE
    if not text:
        path = key_file(root)
        origin = str(path)
        try:
            text = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise ConfigError(
                f"no master key for private data: set {VARIABLE} to the base64 of {KEY_BYTES} "
                f"bytes, make one for local use with 'headrace keys init', or declare "
                f"private.transit in topology.yaml"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{origin}: can't be read as a master key: {error}") from error
    try:
        key = b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{origin}: is not the base64 of {KEY_BYTES} bytes")
    return LocalMaster(key, origin)


def key_file(root: Path) -> Path:
    """Where a local master key lives."""
    return state_dir(root) / FILE


def make_key_file(root: Path) -> Path:
    """Write a new local master key, readable by its owner only; ConfigError if there is one."""
    path = key_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{path}: exists already: without it every key that it wrapped is lost"
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(b64encode(os.urandom(KEY_BYTES)) + b"\n")
    return path
