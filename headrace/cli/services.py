"""The services as ``headrace up`` and ``headrace status`` show them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from headrace.stack import ServiceStatus


def table(services: Sequence[ServiceStatus]) -> Table:
    """A row a service."""
    made = Table()
    for column in ("service", "address", "pid", "state", "to do"):
        made.add_column(column)
    for s in services:
        state = "[green]healthy[/]" if s.healthy else f"[red]{s.detail}[/]"
        made.add_row(s.name, s.address, str(s.pid or ""), state, s.advice)
    return made
