"""``headrace audit``: the record of administrative acts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from headrace import endpoints, topology
from headrace.audit import key
from headrace.audit.chain import Anchor, Fault, Record, unfinished
from headrace.audit.chain import verify as verify_chain
from headrace.audit.entry import Entry
from headrace.audit.log import AuditLog
from headrace.audit.persons import is_person
from headrace.audit.table import compare
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError
from headrace.topology.model import Topology
from sinks.clickhouse.audit import AuditTable

group = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.callback()
def audit() -> None:
    """Show, check and anchor the record of administrative acts (docs/audit.md)."""


@group.command("list")
def list_(
    since: Annotated[
        str | None, typer.Option(help="Not before this time: 2026-11-24 or 2026-11-24T10:00 (UTC).")
    ] = None,
    act: Annotated[str | None, typer.Option(help="Only this act, for example 'apply'.")] = None,
    person: Annotated[
        str | None, typer.Option(help="Only acts on this person, by the digest that is kept.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the topic's entries, oldest first. Times are UTC."""
    log, _, _ = _open()
    secret, from_ms = key.load(), _ms(since)
    entries = [
        entry
        for entry in _entries(log.records())
        if entry.time_ms >= from_ms
        and act in (None, entry.act)
        and (person is None or is_person(entry.subject, person, secret))
    ]
    if json:
        typer.echo(orjson.dumps([entry.as_row() for entry in entries]).decode())
        return
    for e in entries:
        ended = f"{e.outcome.value} (as {e.intent} said)" if e.intent else e.outcome.value
        typer.echo(f"{e.sequence}  {_time(e.time_ms)}  {e.actor}  {e.act} {e.subject}: {ended}")
        for name, value in e.details.items():
            typer.echo(f"    {name}: {value}")


@group.command()
def verify(
    anchor: Annotated[
        Path | None, typer.Option(help="File with what 'headrace audit anchor' printed.")
    ] = None,
    json: Json = False,
) -> None:
    """Check chain, signatures, anchor and table; exit code 1 when something is not as it was.

    With HEADRACE_AUDIT_KEY or HEADRACE_AUDIT_KEY_FILE every entry must be signed with that key,
    except those that the anchor proves.
    """
    log, declared, where = _open()
    pinned = _read(anchor, log.topic) if anchor else None
    secret = key.load()
    records = log.records()
    with closing(AuditTable(declared, where.clickhouse)) as table:
        held = compare(records, table.rows())
    faults = verify_chain(records, secret, pinned) + held.faults
    open_ = unfinished(records)
    entries = _entries(records)
    if json:
        report = {
            "entries": len(entries),
            "faults": [asdict(fault) for fault in faults],
            "unfinished": [entry.as_row() for entry in open_],
            "uncopied": [entry.sequence for entry in held.uncopied],
        }
        typer.echo(orjson.dumps(report).decode())
    else:
        _tell(faults, open_, held.uncopied)
        signed = any(entry.signature for entry in entries)
        checked = "signatures checked" if secret else "signatures not checked, no key is set"
        typer.echo(f"{len(entries)} entries, {len(faults)} faults", nl=False)
        typer.echo(f" ({checked})" if secret or signed else "")
    if faults:
        raise typer.Exit(1)


@group.command()
def anchor() -> None:
    """Print the last entry's number and hash, to be kept where Kafka's writers can't reach."""
    log, _, _ = _open()
    entries = _entries(log.records())
    if not entries:
        raise ConfigError(f"topic {log.topic!r} has no entry yet: there is nothing to anchor")
    found = Anchor(topic=log.topic, sequence=entries[-1].sequence, hash=entries[-1].hash)
    typer.echo(found.model_dump_json())


@group.command()
def sync() -> None:
    """Make the table what the topic says; print what was wrong with it."""
    log, declared, where = _open()
    records = log.records()
    broken = verify_chain(records)
    if broken:
        raise ConfigError(
            f"the topic itself is not whole, so the table stays as evidence: {broken[0]}; "
            f"'headrace audit verify' tells all"
        )
    with closing(AuditTable(declared, where.clickhouse)) as table:
        table.create()
        held = compare(records, table.rows())
        if held.faults:
            table.replace(_entries(records))
        else:
            table.insert(held.uncopied)
    _tell(held.faults, [], [])
    typer.echo(f"{len(held.uncopied)} entries copied, {len(held.faults)} faults mended")


def _open() -> tuple[AuditLog, Topology, Endpoints]:
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    return AuditLog(declared, where.kafka), declared, where


def _entries(records: list[Record]) -> list[Entry]:
    return [record.entry for record in records if record.entry is not None]


def _tell(faults: list[Fault], unfinished: list[Entry], uncopied: list[Entry]) -> None:
    for fault in faults:
        typer.echo(f"BROKEN  {fault}")
    for entry in unfinished:
        typer.echo(
            f"open    entry {entry.sequence}: {entry.act} of {entry.subject!r} by {entry.actor} at "
            f"{_time(entry.time_ms)} has no outcome: it runs still, or was killed"
        )
    if uncopied:
        typer.echo(
            f"copy    the table lacks entries {uncopied[0].sequence} to {uncopied[-1].sequence}, "
            f"its newest: run 'headrace audit sync'"
        )


def _read(file: Path, topic: str) -> Anchor:
    try:
        found = Anchor.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"--anchor {str(file)!r}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(
            f"--anchor {str(file)!r}: is not what 'headrace audit anchor' prints: "
            f"{error.errors(include_url=False)[0]['msg']}"
        ) from error
    if found.topic != topic:
        raise ConfigError(f"--anchor {str(file)!r}: is of {found.topic!r}, not of {topic!r}")
    return found


def _ms(since: str | None) -> int:
    if since is None:
        return 0
    try:
        at = datetime.fromisoformat(since)
    except ValueError as error:
        raise ConfigError(f"--since {since!r}: write a date or time as 2026-11-24T10:00") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "milliseconds")[:23]
