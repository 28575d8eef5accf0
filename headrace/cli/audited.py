"""What a command wraps its act in: recorded in the topic, then copied to the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import typer

from headrace.audit import Act, recorded
from headrace.audit.log import AuditLog
from headrace.endpoints import Endpoints
from headrace.errors import HeadraceError
from headrace.topology.model import Topology
from sinks.clickhouse.audit import AuditTable


@contextmanager
def audited(
    topology: Topology,
    where: Endpoints,
    act: Act,
    subject: str,
    details: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """See ``audit.recorded``. The act counts as recorded without the table: that is only told."""
    began = False
    try:
        with recorded(topology, where, act, subject, details) as told:
            began = True
            yield told
    finally:
        if began:
            _try_to_copy(topology, where)


def _try_to_copy(topology: Topology, where: Endpoints) -> None:
    try:
        copy(topology, where)
    except HeadraceError as error:
        typer.echo(
            f"headrace: not in the audit's table yet ('headrace audit sync' copies it): {error}",
            err=True,
        )


def copy(topology: Topology, where: Endpoints) -> None:
    """Add the entries behind the table's last row. Rows there are stay as they are."""
    records = AuditLog(topology, where.kafka).records()
    with closing(AuditTable(topology, where.clickhouse)) as table:
        table.create()
        last = table.last()
        table.insert([r.entry for r in records if r.entry and r.entry.sequence > last])
