"""One entry of the audit, and what it is hashed and signed over."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
#: What the first entry has as the hash of the one before it.
GENESIS = "0" * 64


class Act(str, Enum):
    """The administrative acts. Entries hold the text: a later version may know more."""

    APPLY = "apply"
    DLQ_REDRIVE = "dlq.redrive"
    REPLAY = "replay"
    PROCESS_RESUME = "process.resume"
    FORGET = "forget"
    KEY_USE = "key.use"
    TOKEN_ISSUE = "token.issue"
    ACCESS = "access"  # failed ones
    SYNC_OUTBOX = "sync.outbox"
    SYNC_CONNECT = "sync.connect"
    SYNC_DISCONNECT = "sync.disconnect"


class Outcome(str, Enum):
    """How an act ended; ``INTENDED`` is written before it begins."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to record, before it has its place in the chain."""

    act: str
    actor: str
    subject: str
    outcome: Outcome
    details: Mapping[str, str] = field(default_factory=dict)
    intent: int = 0


class Entry(BaseModel):
    """Who did what, when and how it ended. ``hash`` covers all but itself and the signature.

    ``intent`` is the sequence number of the entry that announced this act; 0: none did.
    ``signature`` is empty where there was no key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sequence: Annotated[int, Field(ge=1, lt=2**63)]
    time_ms: Annotated[int, Field(ge=0, lt=2**63)]
    act: str
    actor: str
    subject: str
    outcome: Outcome
    details: dict[str, str]
    intent: Annotated[int, Field(ge=0, lt=2**63)]
    previous: Digest
    hash: Digest
    signature: Digest | Annotated[str, Field(max_length=0)]

    def encode(self) -> bytes:
        """The record's value: JSON in the one form that ``decode`` takes."""
        return canonical(self.as_row())

    def as_row(self) -> dict[str, Any]:
        """Field by field as plain values."""
        return self.model_dump(mode="json")

    def content(self) -> dict[str, Any]:
        """What the hash is over."""
        return self.model_dump(mode="json", exclude={"hash", "signature"})


class NotAnEntry(ValueError):
    """The record holds something else."""


def decode(value: bytes | None) -> Entry:
    """Read a record's value; raise NotAnEntry when it is not exactly what ``encode`` writes."""
    try:
        entry = Entry.model_validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotAnEntry(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if entry.encode() != value:
        raise NotAnEntry("the same fields, written in another form")
    return entry


def canonical(content: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no white space, UTF-8: equal content gives equal bytes."""
    return orjson.dumps(dict(content), option=orjson.OPT_SORT_KEYS)


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(content)).hexdigest()


def sign(key: bytes | None, hash_: str) -> str:
    """HMAC-SHA256 of an entry's hash; empty without a key."""
    return hmac.new(key, b"entry:" + hash_.encode(), hashlib.sha256).hexdigest() if key else ""
