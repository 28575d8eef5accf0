"""``headrace process resume``: stuck instances ask once more for what they wait for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer

from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.cli.process.opened import Opened, opened
from headrace.client.send import EventProducer
from headrace.errors import ConfigError
from headrace.private.opening import key_ring
from headrace.serve.instances import Instance
from sinks.factory import make_key_store

MOST = 100_000


def resume(
    process: Annotated[str, typer.Argument(help="A process of topology.yaml.")],
    instances: Annotated[list[str] | None, typer.Argument(help="The instances.")] = None,
    all: Annotated[bool, typer.Option("--all", help="All that are stuck.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send each an event that resumes it, as its services are well again; recorded in the audit.

    What is not stuck is left alone. Run it again after a crash: the same event is taken once.
    Exit code 1 when one of those named is not stuck, or an event could not be sent.
    """
    if bool(instances) == all:
        raise ConfigError("say which: names of instances, or --all that are stuck")
    with opened(process) as project:
        stuck, others = _choose(project, instances)
        sent = _send(project, process, stuck) if stuck else 0
    if json:
        typer.echo(orjson.dumps({"resumed": sent, "not_stuck": others}).decode())
    else:
        for name in others:
            typer.echo(f"{name}: is not stuck", err=True)
        typer.echo(f"{sent:,} of {len(stuck):,} stuck instances resumed")
    if others or sent < len(stuck):
        raise typer.Exit(1)


def _choose(project: Opened, named: list[str] | None) -> tuple[list[Instance], list[str]]:
    """Those that are stuck, and the names of others."""
    if not named:
        return project.instances.open_(stuck=True, before_ms=None, limit=MOST), []
    found = {name: project.instances.one(name) for name in dict.fromkeys(named)}
    stuck = [one for one in found.values() if one is not None and one.stuck]
    chosen = {one.instance for one in stuck}
    return stuck, [name for name in found if name not in chosen]


def _send(project: Opened, process: str, stuck: Sequence[Instance]) -> int:
    root, declared, where, _ = project
    topic = declared.processes[process].topic
    producer = EventProducer(
        root, declared, topic, where.kafka,
        lambda: key_ring(root, declared, make_key_store(declared, where)),
    )  # fmt: skip
    lines = [orjson.dumps(_event(project, process, one)) for one in stuck]
    asked = {"instances": " ".join(one.instance for one in stuck)}
    with audited(declared, where, Act.PROCESS_RESUME, process, asked) as told:
        outcome = producer.send(lines, _tell)
        told["sent"] = str(outcome.sent)
    return outcome.sent


def _event(project: Opened, process: str, one: Instance) -> dict[str, Any]:
    """Its id names the transition that it got stuck by: sent twice, it is dropped as a repeat."""
    declared = project.topology.processes[process]
    topic, names = project.topology.topics[declared.topic], declared.names
    assert topic.dedupe is not None
    return {
        topic.dedupe.key: f"resume/{process}/{one.instance}/{one.sequence}",
        topic.key: one.instance,
        names.type: names.resume,
        names.time: time.time_ns() // 1_000_000,
    }


def _tell(number: int, why: str) -> None:
    typer.echo(f"{number}: {why}", err=True)
