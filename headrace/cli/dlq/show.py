"""``headrace dlq show``: one dead letter, as far as it can be understood."""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, headers, topology
from headrace.cli.dlq.hidden import Hidden
from headrace.cli.dlq.moments import moment
from headrace.dlq import letter as letters
from headrace.dlq.groups import id_of
from headrace.dlq.index import Index, topic_of_letters
from headrace.dlq.letter import Letter
from headrace.dlq.log import DeadLetterLog
from headrace.dlq.place import Place
from headrace.errors import ConfigError
from headrace.schema import partial
from headrace.schemas import registry_of

HEAD_BYTES = 256
ROW_BYTES = 16
SHOWN = 200


def show(
    topic: Annotated[str, typer.Argument(help="A topic of topology.yaml.")],
    position: Annotated[
        str | None, typer.Argument(help="PARTITION:OFFSET in the dead-letter topic.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option(help="PARTITION:OFFSET where the record came from.")
    ] = None,
) -> None:
    """Print a dead letter: why it is one, its headers and key, its bytes, and its fields.

    Fields come as far as they can be decoded, each with its bytes 'first-behind'. Private ones are
    not shown, nor is what may be one because it could not be decoded.
    """
    if (position is None) == (origin is None):
        raise ConfigError("say which: PARTITION:OFFSET in the dead-letter topic, or --origin P:O")
    root = Path.cwd()
    declared = topology.load(root)
    with DeadLetterLog(endpoints.load(root).kafka, topic_of_letters(declared, topic)) as log:
        index = Index.read(log.records())
        letter = _find(index, position, origin)
        message = log.pick([letter.place]).get(letter.place) if letter else None
    if letter is None or message is None:
        typer.echo(
            f"headrace: there is no dead letter of {topic!r} "
            + (f"at {position}" if origin is None else f"from {origin}"),
            err=True,
        )
        raise typer.Exit(1)
    found, value = letters.headers_of(message), message.value() or b""
    registry = registry_of(root, declared)
    hidden = Hidden(declared, topic, registry)
    decoded = partial.decode(value, registry, declared.topics[topic].schema_)
    typer.echo("\n".join(_about(letter)))
    typer.echo(f"key       {hidden.key(message.key())!r}")
    for name, text in headers.texts(headers.own(found)).items():
        typer.echo(f"header    {name}: {text!r}")
    typer.echo(f"\nvalue     {len(value):,} bytes")
    dump = hex_dump(value[:HEAD_BYTES], hidden.places(decoded, len(value)))
    typer.echo("\n".join(dump))
    if len(value) > HEAD_BYTES:
        typer.echo(f"{HEAD_BYTES:08x}  … {len(value) - HEAD_BYTES:,} more")
    typer.echo("")
    typer.echo("\n".join(_fields(decoded, hidden)))


def _find(index: Index, position: str | None, origin: str | None) -> Letter | None:
    if origin is not None:
        return index.at(Place.parse(origin, "--origin"))
    place = Place.parse(position or "", "position")
    return next((letter for letter in index.letters if place in letter.places), None)


def _about(letter: Letter) -> Iterator[str]:
    copies = "".join(f", copy at {place}" for place in letter.places[1:])
    error = f" ({letter.error})" if letter.error else ""
    agent = f", agent {letter.agent!r}" if letter.agent else ""
    yield f"origin    {letter.topic} {letter.origin}"
    yield f"letter    {letter.place}{copies}, group {id_of(letter)}"
    yield f"step      {letter.step}{agent}{error}"
    yield f"reason    {letter.reason}"
    yield f"schema    id {letter.schema_id or 'unknown'}"
    yield f"seen      {moment(letter.first_ms)} by headrace {letter.worker or 'unknown'}"
    yield f"attempts  {letter.attempts}"
    yield f"redriven  {'yes' if letter.redriven else 'no'}"


def _fields(decoded: partial.Partial, hidden: Hidden) -> Iterator[str]:
    yield f"fields    {decoded.schema or 'of no known schema'}"
    width = max((len(field.name) for field in decoded.fields), default=0)
    for field in decoded.fields:
        text = orjson.dumps(hidden.value(field)).decode()
        text = text if len(text) <= SHOWN else text[:SHOWN] + "…"
        yield f"  {f'{field.first}-{field.behind}':>11}  {field.name:<{width}}  {text}"
    if decoded.failed is not None:
        yield f"  {decoded.at:>11}  ✗ {decoded.failed}"


def hex_dump(data: bytes, hidden: Container[int] = ()) -> Iterator[str]:
    """Offset, hexadecimal bytes and printable characters, sixteen a line.

    Those at the places ``hidden`` are ``··``.
    """
    for at in range(0, len(data), ROW_BYTES):
        row = range(at, min(at + ROW_BYTES, len(data)))
        codes = " ".join("··" if i in hidden else f"{data[i]:02x}" for i in row)
        printable = "".join(
            "·" if i in hidden else chr(data[i]) if 32 <= data[i] < 127 else "." for i in row
        )
        yield f"{at:08x}  {codes:<{3 * ROW_BYTES}} {printable}"
