"""Which letters a redrive is to send."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from headrace.dlq import groups
from headrace.dlq.index import Index
from headrace.dlq.letter import Letter
from headrace.dlq.place import Place
from headrace.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Choice:
    """One of: a group's id, a text in the reason, origins, or all."""

    group: str | None = None
    reason: str | None = None
    origins: Collection[Place] = ()
    all: bool = False

    def __post_init__(self) -> None:
        given = (self.group is not None, self.reason is not None, bool(self.origins), self.all)
        if sum(given) != 1:
            raise ConfigError(
                "say which dead letters: one of --group ID (from 'headrace dlq list'), "
                "--reason TEXT, --origin PARTITION:OFFSET (may be repeated), --all"
            )

    def has(self, letter: Letter) -> bool:
        """Whether it is one of these."""
        if self.group is not None:
            return groups.id_of(letter) == self.group
        if self.reason is not None:
            return self.reason in letter.reason
        return self.all or letter.origin in self.origins

    def of(self, index: Index) -> list[Letter]:
        """The letters to send, in the order of their origins: none that was sent already."""
        return [letter for letter in index.letters if not letter.redriven and self.has(letter)]
