"""``headrace dlq redrive``: chosen dead letters back to their topic, once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.dlq import redrive as redriving
from headrace.dlq.choice import Choice
from headrace.dlq.fix import Expression, Fix, Records, Script
from headrace.dlq.index import topic_of_letters
from headrace.dlq.place import Place
from headrace.errors import ConfigError
from headrace.schemas import registry_of
from headrace.topology.model import Topology

SHOWN = 20


def redrive(
    topic: Annotated[str, typer.Argument(help="A topic of topology.yaml.")],
    group: Annotated[str | None, typer.Option(help="Those of a group, by its id.")] = None,
    reason: Annotated[str | None, typer.Option(help="Those with this in their reason.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="PARTITION:OFFSET it came from; repeat for more.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All of the topic.")] = False,
    fix: Annotated[
        str | None, typer.Option(help="Assignments: \"amount = abs(amount); currency = 'EUR'\".")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="Python file with fix(value, record, headers).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do all but the sending.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send chosen dead letters that were not sent yet back to their origin's partition.

    Each is sent and marked in one transaction: run it again after a crash and each is sent once.
    Exit code 1 when nothing was chosen, or some could not be mended (they stay where they are).
    """
    root = Path.cwd()
    declared = topology.load(root)
    topic_of_letters(declared, topic)
    origins = frozenset(Place.parse(text, "--origin") for text in origin or ())
    choice = Choice(group, reason, origins, all)
    mend = _fix(root, declared, topic, fix, script)
    where = endpoints.load(root)
    asked = _asked(group, reason, origin, all, fix, script)
    recording: AbstractContextManager[dict[str, str]] = (
        nullcontext({}) if dry_run else audited(declared, where, Act.DLQ_REDRIVE, topic, asked)
    )
    with recording as told:
        outcome = redriving.redrive(where.kafka, declared, topic, choice, mend, dry_run)
        told["sent"], told["failed"] = str(outcome.sent), str(len(outcome.failed))
    if json:
        typer.echo(orjson.dumps(_summary(outcome)).decode())
    else:
        _tell(topic, outcome, dry_run)
    if outcome.chosen == 0 or outcome.failed:
        raise typer.Exit(1)


def _asked(
    group: str | None,
    reason: str | None,
    origin: list[str] | None,
    all: bool,
    fix: str | None,
    script: Path | None,
) -> dict[str, str]:
    """The choice and the mending, for the audit; of a script, what it was."""
    asked = {
        "group": group,
        "reason": reason,
        "origin": " ".join(origin or ()),
        "all": "yes" if all else None,
        "fix": fix,
        "script": script and f"{script.name} sha256 {sha256(script.read_bytes()).hexdigest()}",
    }
    return {name: text for name, text in asked.items() if text}


def _fix(
    root: Path, declared: Topology, topic: str, text: str | None, script: Path | None
) -> Fix | None:
    if text is not None and script is not None:
        raise ConfigError("--fix and --script: give one of them")
    if text is None and script is None:
        return None
    records = Records(registry_of(root, declared), declared.topics[topic].schema_)
    if script is not None:
        return Script(records, script)
    return Expression(records, text or "")


def _summary(outcome: redriving.Outcome) -> dict[str, object]:
    def why(entries: redriving.Entries) -> list[dict[str, str]]:
        return [{"origin": str(letter.origin), "why": text} for letter, text in entries]

    return {
        "chosen": outcome.chosen,
        "sent": outcome.sent,
        "left": why(outcome.left),
        "failed": why(outcome.failed),
    }


def _tell(topic: str, outcome: redriving.Outcome, dry_run: bool) -> None:
    if outcome.chosen == 0:
        typer.echo(
            f"headrace: no dead letter of {topic!r} is chosen that was not sent yet; see "
            f"'headrace dlq list {topic}'",
            err=True,
        )
        return
    verb = "would be sent" if dry_run else "sent"
    typer.echo(
        f"{outcome.sent:,} of {outcome.chosen:,} {verb} back to {topic}"
        + (f", {len(outcome.left):,} left by the script" if outcome.left else "")
    )
    for letter, why in outcome.failed[:SHOWN]:
        typer.echo(f"{topic} {letter.origin}: left where it is: {why}", err=True)
    if len(outcome.failed) > SHOWN:
        typer.echo(f"… and {len(outcome.failed) - SHOWN:,} more", err=True)
