"""``headrace status``: services, workers, lag, freshness; what is wrong and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from headrace import endpoints, stack, topology
from headrace.cli.services import table
from headrace.errors import ConfigError
from headrace.serve.pipeline.glance import glance
from headrace.serve.pipeline.model import Pipeline, Problem
from headrace.stack import ServiceStatus
from headrace.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Status:
    """What was found; ``pipeline`` is None where nobody could be asked."""

    ok: bool
    services: list[ServiceStatus]
    pipeline: Pipeline | None
    problems: list[Problem]


def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Ask the services how the pipeline is; exit code 1 when something is wrong.

    Needs no serving process: workers tell their state in Redis, Kafka knows the lag.
    """
    root = Path.cwd()
    declared = topology.load(root)
    found = look(root, declared)
    if json:
        typer.echo(TypeAdapter(Status).dump_json(found).decode())
    else:
        _show(found, declared, Console())
    if not found.ok:
        raise typer.Exit(1)


def look(root: Path, declared: Topology) -> Status:
    """Ask everybody."""
    services = stack.status(root)
    local = [
        Problem(what=f"{s.name} is not there", why=s.detail, to_do=s.advice)
        for s in services
        if not s.healthy
    ]
    try:
        where = endpoints.load(root)
    except ConfigError as error:
        nowhere = Problem(
            what="not all services have an address", why=str(error), to_do="headrace up"
        )
        return Status(False, services, None, [*local, nowhere])
    pipeline = glance(declared, where)
    # The local stack knows better why one of its own does not answer.
    told = {f"{s.name} does not answer" for s in services if not s.healthy}
    problems = [*local, *(p for p in pipeline.health.problems if p.what not in told)]
    return Status(not problems, [_asked(s, pipeline) for s in services], pipeline, problems)


def _asked(service: ServiceStatus, pipeline: Pipeline) -> ServiceStatus:
    """What the stack says of one that the environment names is only that."""
    seen = pipeline.services.get(service.name)  # PostgreSQL and Connect are no part of a pipeline
    if seen is None or seen.up or not service.healthy:
        return service
    return replace(service, healthy=False, detail="does not answer")


def _show(found: Status, declared: Topology, console: Console) -> None:
    console.print(table(found.services))
    if found.pipeline is not None:
        console.print(_workers(found.pipeline))
        console.print(_topics(found.pipeline))
        for name, sink in found.pipeline.sinks.items():
            fresh = sink.freshness_ms.model_dump().items()
            text = "   ".join(f"{q} {ms:,} ms" for q, ms in fresh if ms is not None)
            console.print(f"Produced to visible in {name}, last minute: {text or 'no events'}")
        console.print(
            f"Dead letters: {found.pipeline.dead_letter_ratio:.2%} of the last records, "
            f"workers stop at {declared.dead_letters.max_ratio:.2%}"
        )
    for problem in found.problems:
        console.print(f"[bold red]{problem.what}[/]: {problem.why}\n  to do: {problem.to_do}")
    if found.ok:
        console.print("[bold green]All is well.[/]")


def _columns(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i == 0 else "right")
    return made


def _workers(now: Pipeline) -> Table:
    made = _columns("Workers", "worker", "partitions", "paused", "memory", "up")
    for worker in now.workers:
        row: list[Any] = [worker.id, worker.assigned, worker.paused]
        row += [f"{worker.rss_bytes / 2**20:,.0f} MiB", f"{worker.uptime_s:,.0f} s"]
        made.add_row(*map(str, row))
    return made


def _topics(now: Pipeline) -> Table:
    made = _columns("Topics", "topic", "lag", "most in one partition")
    for name, topic in now.topics.items():
        most = max((found.lag for found in topic.partitions), default=0)
        made.add_row(name, f"{topic.lag:,}", f"{most:,}")
    return made
