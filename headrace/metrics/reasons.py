"""Why records are set aside, as metrics may tell it: without anything that a record holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headrace.dlq.reason import reason_class

if TYPE_CHECKING:
    from headrace.frame import Bad

#: Each class is a time series of every worker.
MOST = 100
OTHER = "other"
_RULE = re.compile(r"\brule '\w+'")


class Reasons:
    """Classes of reasons, at most ``MOST`` different ones; any further is ``OTHER``.

    An exception's text may hold any value in any form, so of an agent's only the type is told; of a
    rule's reason, which shows values, the rule's name. The others are the codec's own words.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, bad: Bad) -> str:
        """The class of a record's reason."""
        found = _told(bad)
        if found not in self._known:
            if len(self._known) >= MOST:
                return OTHER
            self._known.add(found)
        return found


def _told(bad: Bad) -> str:
    if bad.step == "agent":
        return f"agent {bad.agent!r} raised {bad.error}"
    if bad.step == "rule":
        return ", ".join(dict.fromkeys(_RULE.findall(bad.reason)))
    return reason_class(bad.reason)
