"""``headrace produce``: NDJSON to a topic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, topology
from headrace.client.send import EventProducer
from headrace.errors import ConfigError
from headrace.private.opening import key_ring
from headrace.telemetry.provider import exporting
from sinks.factory import make_key_store


def produce(
    topic: Annotated[str, typer.Argument(help="A topic of topology.yaml.")],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="NDJSON file; stdin without it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Check each line against the topic's schema and send it; exit code 1 if any line is bad.

    Private fields are encrypted before they are sent.
    """
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    producer = EventProducer(
        root, declared, topic, where.kafka,
        lambda: key_ring(root, declared, make_key_store(declared, where)),
    )  # fmt: skip
    name = str(file) if file is not None else "stdin"

    def tell(number: int, why: str) -> None:
        typer.echo(f"{name}:{number}: {why}", err=True)

    try:
        with (
            exporting("headrace-produce"),
            file.open("rb") if file is not None else sys.stdin.buffer as lines,
        ):
            outcome = producer.send(lines, tell)
    except OSError as error:
        raise ConfigError(f"--file {name!r}: {error.strerror}") from error
    if json:
        summary = {
            "sent": outcome.sent,
            "failed": outcome.failed,
            "positions": {str(p): at for p, at in sorted(outcome.positions.items())},
        }
        typer.echo(orjson.dumps(summary).decode())
    else:
        ends = ", ".join(f"{p} to {at - 1}" for p, at in sorted(outcome.positions.items()))
        typer.echo(
            f"{outcome.sent:,} sent to {topic}, {outcome.failed:,} bad lines"
            + (f" (last offsets by partition: {ends})" if ends else "")
        )
    if outcome.failed:
        raise typer.Exit(1)
