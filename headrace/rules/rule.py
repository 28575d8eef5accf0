"""One rule, as ``topology.yaml`` declares it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

OnFailure = Literal["dead_letter", "mark", "stop"]
#: Polars reads expressions recursively: tens of thousands of operators overflow its stack.
Text = Annotated[str, Field(max_length=4_096)]


class Rule(BaseModel):
    """What holds for every event of a topic, and what becomes of one for which it does not.

    It has one form: ``check`` (a boolean expression of SQL over the reader schema's fields), or a
    ``field`` with ``one_of``, ``pattern``, ``min`` and ``max``, ``is`` (a name of
    ``headrace.rules.references``), or nothing but ``required``. As with SQL's CHECK, a rule that
    can't be decided because a value is null holds, unless it is ``required``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    check: Text | None = None
    field: str | None = None
    one_of: Annotated[tuple[StrictStr | StrictInt, ...], Field(min_length=1)] | None = None
    pattern: Text | None = None
    min: Decimal | None = None
    max: Decimal | None = None
    is_: str | None = Field(default=None, alias="is")
    required: bool = False
    on_failure: OnFailure
    doc: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms it has, of which there must be one; ``min`` and ``max`` together are one."""
        given = [
            ("check", self.check is not None),
            ("one_of", self.one_of is not None),
            ("pattern", self.pattern is not None),
            ("min", self.min is not None or self.max is not None),
            ("is", self.is_ is not None),
        ]
        found = tuple(name for name, there in given if there)
        return found or (("required",) if self.required and self.field is not None else ())

    @property
    def text(self) -> str:
        """What must hold, for people."""
        if self.check is not None:
            return self.check
        parts = [
            self.one_of and f"is one of {', '.join(map(str, self.one_of))}",
            self.pattern and f"matches {self.pattern}",
            self.is_ and f"is {self.is_}",
            None if self.min is None else f"is at least {self.min}",
            None if self.max is None else f"is at most {self.max}",
        ]
        return f"{self.field} {' and '.join(part for part in parts if part) or 'is not null'}"
