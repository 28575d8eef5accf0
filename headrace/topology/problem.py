"""One thing that is wrong with the topology, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """Where, what is there, what is wrong, and the fix. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    value: Any
    wrong: str
    fix: str

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        where = f"{self.file}:{self.line}:{self.column}: {self.path}"
        return f"{where}: {shown}: {self.wrong}; {self.fix}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "value": repr(self.value)}


def error_of(problems: Sequence[Problem]) -> ConfigError:
    """All problems in one error, a line each."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(f"{count} in the topology:\n{lines}")
