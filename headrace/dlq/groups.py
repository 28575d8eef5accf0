"""Dead letters by cause: the read model of ``headrace dlq list`` and of the live page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.dlq.index import Index, topic_of_letters
from headrace.dlq.letter import Letter
from headrace.dlq.log import DeadLetterLog
from headrace.dlq.reason import reason_class
from headrace.topology.model import Topology

ID_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one topic that one step refused for one reason; copies count once.

    ``reason`` is the class of their reasons (see ``dlq.reason``), ``example`` the place of the
    newest that was not sent back (of the newest, if all were) in the dead-letter topic, with its
    ``example_reason``. ``waiting`` letters were not sent back, ``again`` had been before they
    failed again. Times are ms since 1970.
    """

    id: str
    topic: str
    step: str
    reason: str
    count: int
    waiting: int
    again: int
    first_ms: int
    last_ms: int
    example: str
    example_reason: str

    @property
    def redriven(self) -> int:
        """How many were sent back."""
        return self.count - self.waiting


def group_id(topic: str, step: str, reason: str) -> str:
    """The name of a group for ``--group``: the same wherever and whenever it is computed."""
    return hashlib.sha256("\0".join((topic, step, reason)).encode()).hexdigest()[:ID_CHARACTERS]


def id_of(letter: Letter) -> str:
    """The id of the group that a letter belongs to."""
    return group_id(letter.topic, letter.step, reason_class(letter.reason))


def groups(letters: Iterable[Letter]) -> list[Group]:
    """All groups, the largest number of waiting letters first."""
    members: dict[tuple[str, str, str], list[Letter]] = {}
    for letter in letters:
        key = letter.topic, letter.step, reason_class(letter.reason)
        members.setdefault(key, []).append(letter)
    found = [_group(*key, those) for key, those in members.items()]
    return sorted(found, key=lambda group: (-group.waiting, -group.count, group.id))


def _group(topic: str, step: str, reason: str, letters: Sequence[Letter]) -> Group:
    example = max(letters, key=lambda letter: (not letter.redriven, letter.first_ms))
    return Group(
        id=group_id(topic, step, reason),
        topic=topic,
        step=step,
        reason=reason,
        count=len(letters),
        waiting=sum(not letter.redriven for letter in letters),
        again=sum(letter.attempts > 1 for letter in letters),
        first_ms=min(letter.first_ms for letter in letters),
        last_ms=max(letter.first_ms for letter in letters),
        example=str(example.place),
        example_reason=example.reason,
    )


def read_groups(bootstrap: str, topology: Topology, topics: Iterable[str]) -> list[Group]:
    """Read the dead letters of some declared topics and group them.

    Raises ConfigError for an unknown topic, Transient when Kafka does not answer.
    """
    found: list[Letter] = []
    for name in [topic_of_letters(topology, topic) for topic in topics]:
        with DeadLetterLog(bootstrap, name) as log:
            found.extend(Index.read(log.records()).letters)
    return groups(found)
