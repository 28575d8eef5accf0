"""``headrace apply``: topics and tables as declared. ``apply_all`` serves other commands."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError
from headrace.preflight import compare
from headrace.schema import Registry
from headrace.topics import Topics, wanted
from headrace.topology.model import Topology
from sinks.clickhouse.migrate import Migration


@dataclass(frozen=True, slots=True)
class Step:
    """A change to a running system; ``conflict`` ones need an operator, ``replay`` ones that.

    ``column`` is the one of ``object`` that changes, ``touches`` what reads it in the end.
    """

    system: str
    object: str
    what: str
    conflict: bool = False
    column: str | None = None
    touches: tuple[str, ...] = ()
    replay: bool = False


def steps(root: Path, declared: Topology, where: Endpoints) -> list[Step]:
    """What ``apply`` would do; raises ConfigError if the schemas are not as locked."""
    Registry.load(root)
    found = Topics(where.kafka).partitions()
    planned = [
        Step("kafka", topic.name, f"create with {topic.partitions} partitions")
        for topic in wanted(declared)
        if topic.name not in found
    ]
    planned += [
        Step("kafka", "", problem, conflict=True)
        for problem in compare(found, declared)
        if "does not exist" not in problem
    ]
    migration = Migration(declared, root, where.clickhouse)
    try:
        planned += [
            Step("clickhouse", c.object, c.what, c.conflict, column=c.column, replay=c.replay)
            for c in migration.changes()
        ]
    finally:
        migration.close()
    return planned


def apply_all(root: Path, declared: Topology, where: Endpoints) -> list[Step]:
    """Create what is missing; raises ConfigError, having changed nothing, on a conflict."""
    planned = steps(root, declared, where)
    conflicts = [step for step in planned if step.conflict]
    if conflicts:
        raise ConfigError("\n".join(f"{s.system}: {s.object} {s.what}" for s in conflicts))
    kafka = Topics(where.kafka)
    found = kafka.partitions()
    kafka.create([topic for topic in wanted(declared) if topic.name not in found])
    migration = Migration(declared, root, where.clickhouse)
    try:
        migration.apply()
    finally:
        migration.close()
    return planned


def show(planned: list[Step], as_json: bool, verb: str) -> None:
    """Print steps for people or machines."""
    if as_json:
        typer.echo(orjson.dumps([asdict(step) for step in planned]).decode())
        return
    console = Console()
    for step in planned:
        mark = "[red]conflict[/]" if step.conflict else "replay" if step.replay else verb
        console.print(
            f"{mark}  {step.system}  [bold]{step.object}[/]  {step.what}", highlight=False
        )
        if step.touches:
            console.print(f"       touches {'; '.join(step.touches)}", highlight=False)
    if not planned:
        console.print("Nothing to do: the systems are as declared.")


def apply(
    json: Annotated[bool, typer.Option("--json", help="Print the steps as JSON.")] = False,
) -> None:
    """Create topics, dead-letter topics, tables and views that are missing. Safe to repeat."""
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    file = (root / topology.FILE).read_bytes()
    details = {topology.FILE: f"sha256 {hashlib.sha256(file).hexdigest()}"}
    with audited(declared, where, Act.APPLY, declared.name, details) as told:
        planned = apply_all(root, declared, where)
        done = [f"{s.system} {s.object}: {s.what}" for s in planned if not s.replay]
        told["steps"] = "; ".join(done) or "none"
    show(planned, json, "done")
