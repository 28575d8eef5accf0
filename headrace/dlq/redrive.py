"""Chosen dead letters back to where they came from: once, and in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headrace.dlq.choice import Choice
from headrace.dlq.fix import Fix, LeaveIt
from headrace.dlq.index import Index, topic_of_letters
from headrace.dlq.letter import Letter, headers_of
from headrace.dlq.log import DeadLetterLog
from headrace.dlq.transaction import Returned, Sender, headers_back
from headrace.topology.model import Topology

Entries = list[tuple[Letter, str]]
BATCH_RECORDS = 500
BATCH_BYTES = 16 << 20


@dataclass
class Outcome:
    """What became of the chosen letters; ``left`` and ``failed`` say why, by letter."""

    chosen: int = 0
    sent: int = 0
    #: The script wanted these to stay.
    left: Entries = field(default_factory=list)
    #: These could not be mended.
    failed: Entries = field(default_factory=list)


def redrive(
    bootstrap: str,
    topology: Topology,
    topic: str,
    choice: Choice,
    fix: Fix | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Send the chosen letters that were not sent yet to their origin's partition.

    Each goes with its mark in one transaction, so a redrive that dies anywhere and is run again
    sends each once. In a partition they go in the order of their origins, so a key's order is kept
    among them. A letter that ``fix`` leaves stays and may be redriven later, after its successors.
    With ``dry_run`` all is done but the sending. Memory holds the index and one batch.
    """
    letters_topic = topic_of_letters(topology, topic)
    with DeadLetterLog(bootstrap, letters_topic) as log:
        sender = None if dry_run else Sender(bootstrap, topology.name, topic, letters_topic)
        if sender is not None:
            sender.start()  # before the log is read: see there
        chosen = choice.of(Index.read(log.records()))
        outcome = Outcome(len(chosen))
        for batch in _batches(chosen):
            ready = _prepare(log, batch, fix, outcome)
            if sender is not None and ready:
                sender.send(ready)
            outcome.sent += len(ready)
    return outcome


def _batches(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) == BATCH_RECORDS or size + letter.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += letter.size
    if batch:
        yield batch


def _prepare(
    log: DeadLetterLog, batch: Sequence[Letter], fix: Fix | None, outcome: Outcome
) -> list[Returned]:
    messages = log.pick([letter.place for letter in batch])
    ready = []
    for letter in batch:
        message = messages.get(letter.place)
        if message is None:
            outcome.failed.append((letter, "retention has just removed it"))
            continue
        headers, value = headers_of(message), message.value() or b""
        try:
            mended = value if fix is None else fix(letter, value, dict(headers))
        except LeaveIt as why:
            (outcome.left if why.meant else outcome.failed).append((letter, str(why)))
            continue
        ready.append(Returned(letter, message.key(), mended, headers_back(letter, headers)))
    return ready
