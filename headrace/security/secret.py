"""A text that shows only where it is asked for by name."""

from __future__ import annotations

import hmac
import re
from typing import NoReturn

HIDDEN = "***"

#: A password in a URL. Greedy to the last ``@``, so that one which is not percent-encoded as it
#: should be is hidden as well.
_USERINFO = re.compile(r"(://[^:/@\s]*:)[^\s'\"]*@")
_PARAMETER = re.compile(r"([?&](?:\w*password|access_token|\w*secret)=)[^&\s'\"]*", re.IGNORECASE)


class Secret:
    """A password, a key's pass phrase, a client's secret.

    No ``repr``, ``str``, format, log, error or pickle shows it; ``reveal`` does, for the client
    library that needs it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Its result goes nowhere but to a client library."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written down: let the other process read it by itself")


def redacted(text: str) -> str:
    """A URL, or a text with URLs in it, without their passwords."""
    return _USERINFO.sub(rf"\1{HIDDEN}@", _PARAMETER.sub(rf"\1{HIDDEN}", text))
