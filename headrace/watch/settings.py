"""Where alerts are sent beside the topic: by environment, since an address may be a secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from headrace.errors import ConfigError
from headrace.security.secret import Secret
from headrace.security.variables import Variables

PREFIX: Final = "HEADRACE_WEBHOOK"
_KNOWN: Final = ("URL", "URL_FILE", "SECRET", "SECRET_FILE")


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's address, and the key of its signatures."""

    url: Secret
    key: Secret | None

    @property
    def host(self) -> str:
        """Of the address only this is shown: paths of webhooks are often secrets."""
        return urlsplit(self.url.reveal()).hostname or ""


def load(environ: Mapping[str, str] = os.environ) -> Target | None:
    """The webhook, None when there is none; raises ConfigError naming all that is wrong."""
    variables = Variables(PREFIX, environ)
    variables.refuse_unknown(_KNOWN)
    url, key = variables.secret("URL"), variables.secret("SECRET")
    if url is not None and urlsplit(url.reveal()).scheme not in ("http", "https"):
        variables.wrong("URL", "write the whole address, http:// or https://")
    if url is None and key is not None and not variables.problems:
        variables.wrong("SECRET", f"there is nothing to sign: {variables.name('URL')} is not set")
    if variables.problems:
        raise ConfigError("\n".join(variables.problems))
    return None if url is None else Target(url, key)
