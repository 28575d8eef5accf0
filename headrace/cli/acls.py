"""``headrace acls``: what a role must be allowed at Kafka, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import topology
from headrace.errors import ConfigError
from headrace.security.grants import ROLES


def acls(
    role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")],
    principal: Annotated[str, typer.Option(help="Who has the role; default: User:<role>.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the kafka-acls commands of a role for this topology; asks no broker."""
    if role not in ROLES:
        raise ConfigError(f"role {role!r}: there are {', '.join(ROLES)}")
    who = principal or f"User:{role}"
    grants = list(ROLES[role](topology.load(Path.cwd())))
    if json:
        listed = [
            {"principal": who, "operation": g.operation, "resource": g.resource, "name": g.name}
            for g in grants
        ]
        typer.echo(orjson.dumps(listed).decode())
        return
    for grant in grants:
        typer.echo(grant.command(who))
