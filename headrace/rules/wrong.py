"""What is wrong with a rule, said so that it can be mended."""

from __future__ import annotations

from typing import Any


class Wrong(Exception):
    """``part`` is the key of the rule it is about; None: the rule as a whole."""

    def __init__(self, part: str | None, value: Any, wrong: str, fix: str) -> None:
        super().__init__(f"{part}: {value!r}: {wrong}; {fix}" if part else f"{wrong}; {fix}")
        self.part = part
        self.value = value
        self.wrong = wrong
        self.fix = fix
