"""Recording acts: the calls that commands and the serving process make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from headrace.audit import key
from headrace.audit.actor import operator
from headrace.audit.entry import Act, Entry, Facts, Outcome
from headrace.audit.log import AuditLog
from headrace.endpoints import Endpoints
from headrace.topology.model import Topology

#: Texts are kept so far: an entry is no log.
MAX_TEXT = 2_000


def record(
    topology: Topology,
    endpoints: Endpoints,
    act: Act,
    subject: str,
    details: Mapping[str, str] | None = None,
    outcome: Outcome = Outcome.DONE,
    *,
    actor: str | None = None,
    intent: int = 0,
) -> Entry:
    """Record one act; return when the broker has it for good. Raises what ``AuditLog.append`` does.

    ``actor`` is the authenticated client, where there is one; else the operating system's user.
    ``details`` and ``subject`` are kept for ever: nothing private (``person`` makes a digest).
    For acts that change something there is ``recorded``.
    """
    facts = Facts(
        act=act.value,
        actor=operator() if actor is None else _text(actor),
        subject=_text(subject),
        outcome=outcome,
        details={name: _text(value) for name, value in (details or {}).items()},
        intent=intent,
    )
    return AuditLog(topology, endpoints.kafka, key.load()).append(facts)


def _text(value: str) -> str:
    """A text that can be written as UTF-8 and is no longer than an entry should have."""
    clean = value.encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 1] + "…"


@contextmanager
def recorded(
    topology: Topology,
    endpoints: Endpoints,
    act: Act,
    subject: str,
    details: Mapping[str, str] | None = None,
    *,
    actor: str | None = None,
) -> Iterator[dict[str, str]]:
    """Around an act: the intent before it, its outcome after it.

    The act is not begun when the intent can't be recorded. An act without an outcome was killed,
    which ``headrace audit verify`` tells. Yields the outcome's details, for the act to fill in.
    """
    intent = record(
        topology, endpoints, act, subject, details, Outcome.INTENDED, actor=actor
    ).sequence
    told: dict[str, str] = {}
    outcome = Outcome.FAILED
    try:
        yield told
        outcome = Outcome.DONE
    except BaseException as error:
        told["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        record(topology, endpoints, act, subject, told, outcome, actor=actor, intent=intent)
