"""The key that signs entries, by reference: never in the topology or on a command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import ConfigError

VARIABLE = "HEADRACE_AUDIT_KEY"
FILE_VARIABLE = "HEADRACE_AUDIT_KEY_FILE"
MIN_BYTES = 32


def load(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """The key, None when none is set; raises ConfigError for one that is unreadable or short."""
    text, file = environ.get(VARIABLE), environ.get(FILE_VARIABLE)
    if text and file:
        raise ConfigError(f"{VARIABLE} and {FILE_VARIABLE} are both set: keep one")
    if file:
        try:
            key = Path(file).read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"{FILE_VARIABLE}={file!r}: {error.strerror}") from error
    elif text:
        key = text.encode().strip()
    else:
        return None
    if len(key) < MIN_BYTES:
        raise ConfigError(
            f"{FILE_VARIABLE if file else VARIABLE}: {len(key)} bytes are too few, take at least "
            f"{MIN_BYTES}, for example from 'openssl rand -hex 32'"
        )
    return key
