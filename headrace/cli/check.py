"""``headrace check``: is the topology right?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import agent, topology
from headrace.errors import ConfigError
from headrace.topology import Topology, checks
from headrace.topology.problem import Problem
from headrace.topology.tree import Tree


def check(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Validate topology.yaml, the schemas it names and the agents; exit code 2 if not right."""
    root = Path.cwd()
    found, problems = topology.examine(root)
    warnings = checks.warnings(found) if found is not None else []
    if found is not None and not problems:
        problems, unread = _selects(found, root)
        warnings += unread
    if found is not None:
        problems = [*problems, *_functions(found, all_=not problems)]
    if json:
        report = {
            "valid": not problems,
            "problems": [p.as_dict() for p in problems],
            "warnings": warnings,
        }
        typer.echo(orjson.dumps(report).decode())
    else:
        for problem in problems:
            typer.echo(str(problem), err=True)
        for warning in warnings:
            typer.echo(f"warning: {warning}", err=True)
        if found is not None and not problems:
            typer.echo(_summary(found))
    if problems:
        raise typer.Exit(2)


def _selects(found: Topology, root: Path) -> tuple[list[Problem], list[str]]:
    from headrace.lineage import check as views

    tree = Tree(topology.FILE, (root / topology.FILE).read_text(encoding="utf-8"))
    unread = views.check(found, tree, root)
    return tree.problems, unread


def _functions(found: Topology, *, all_: bool) -> list[Problem]:
    """Agents that can't be imported; with ``all_`` also hooks of processes, which must be right."""
    problems = []
    for name, declared in found.agents.items():
        made = name in found.processes
        if made and not all_:
            continue
        try:
            agent.function(found, name)
        except ConfigError as error:
            path = f"processes.{name}.commands" if made else f"agents.{name}.function"
            fix = "name an importable module:function"
            problems.append(
                Problem("topology.yaml", 1, 1, path, declared.function, str(error), fix)
            )
    return problems


def _summary(found: Topology) -> str:
    partitions = sum(found.partitions(topic) for topic in found.topics)
    return (
        f"topology.yaml is right: pipeline {found.name!r}, {len(found.topics)} topics with "
        f"{partitions} partitions, {len(found.agents)} agents, "
        f"{len(found.clickhouse.tables)} tables, {len(found.clickhouse.views)} views, "
        f"{len(found.redis.keyspaces)} keyspaces, {found.delivery.guarantee.replace('_', ' ')}"
    )
