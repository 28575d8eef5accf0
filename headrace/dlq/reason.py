"""Reasons of one cause as one text: the parts that differ from record to record taken out.

Grouping thousands of messages by what they have in common is what log parsers do (Drain, He et al.,
ICWS 2017). Here the messages are mostly Headrace's own, so rules are enough and, unlike a tree that
learns, give a reason the same class on every machine and every day:

* any word with a digit in it (numbers, offsets, times, ids) becomes ``#``;
* quoted text becomes ``'…'``, unless it names a part of the project: ``field 'price'``;
* a run of these with only commas, colons or spaces between becomes one ``…``, and so does a list;
* white space becomes one space, and what is longer than ``LONGEST`` is cut.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 160
_VARIABLE = re.compile(
    r"""
    (?P<kept> \b(?:field|column|agent|rule|enum)\ '[^']*' | \bUTF-8\b )
    # Not an apostrophe: no letter before the opening quote, none behind the closing one.
    | (?P<quoted> (?<!\w) b?' (?: [^'\\] | \\. | (?<=\w)'(?=\w) )* '(?!\w)
                | (?<!\w) b?" (?: [^"\\] | \\. )* " )
    | (?P<id> \b [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} -[0-9a-fA-F]{12} \b )
    | (?P<number> (?<!\w) [-+]? \w*\d\w* (?:[.:+-]\w+)* )
    """,
    re.VERBOSE,
)
_RUN = re.compile(r"(?:#|'…')(?:[\s,:]+(?:#|'…'))+")
_LIST = re.compile(r"([\[{])(?:#|'…')?([\]}])")
_CONSTANT = {"kept": None, "quoted": "'…'", "id": "#", "number": "#"}


def reason_class(reason: str) -> str:
    """What all reasons of this one's cause have in common."""
    text = " ".join(_VARIABLE.sub(_replacement, reason).split())
    text = _LIST.sub(r"\1…\2", _RUN.sub("…", text))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _replacement(found: re.Match[str]) -> str:
    assert found.lastgroup is not None  # every alternative is named
    return _CONSTANT[found.lastgroup] or found[0]
