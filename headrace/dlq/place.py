"""A record's place in a topic."""

from __future__ import annotations

import re
from typing import NamedTuple

from headrace.errors import ConfigError

_TEXT = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)


class Place(NamedTuple):
    """Partition and offset, written ``partition:offset``. Sorts by partition, then by offset."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str, what: str) -> Place:
        """Read ``partition:offset``; raise ConfigError that begins with ``what``."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"{what} {text!r}: write partition:offset, two whole numbers, for example 3:1207"
            )
        return cls(int(found[1]), int(found[2]))
