"""``headrace graph``: draw the topology, or trace its fields."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace import topology
from headrace.errors import ConfigError
from headrace.topology.graph import mermaid, svg


class Format(str, Enum):
    """What to draw it as."""

    MERMAID = "mermaid"
    SVG = "svg"


def graph(
    name: Annotated[
        str | None, typer.Argument(help="With --fields: only this topic, table, view, metric, …")
    ] = None,
    fields: Annotated[
        bool, typer.Option("--fields", help="Show which field feeds which column, metric, alert.")
    ] = False,
    source: Annotated[
        str | None, typer.Option("--from", help="Show all that a field or a column feeds.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--of", help="Show all that feeds a column, a metric, a panel, …")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the lineage as JSON.")] = False,
    format: Annotated[
        Format | None, typer.Option(help="mermaid or svg; fields are text or mermaid.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
) -> None:
    """Draw topics, agents and what they fill; or trace fields through all of it.

    --from shop.orders.total shows what the field feeds, --of revenue what feeds the metric. Where
    names clash, put the kind before: --of 'panel revenue'.
    """
    asked = {"NAME": name, "--from": source, "--of": target}
    given = [option for option, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)}: give one of them")
    if fields or source or target:
        if format is Format.SVG:
            raise ConfigError("--format svg: it draws the topology; fields are drawn as mermaid")
        text = _traced(name, source, target, json, format is Format.MERMAID)
    elif name is not None or json:
        raise ConfigError(f"{'NAME' if name else '--json'} is about fields: add --fields")
    else:
        declared = topology.load(Path.cwd())
        text = svg(declared) if format is Format.SVG else mermaid(declared)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _traced(
    name: str | None, source: str | None, target: str | None, json: bool, drawn: bool
) -> str:
    import orjson

    from headrace.lineage import show
    from headrace.lineage.project import of_project

    lineage = of_project(Path.cwd())
    for gap in lineage.gaps:
        typer.echo(f"not traced: {gap}", err=True)
    if source is not None:
        roots = lineage.first(source)
        chosen, lines = lineage.below(roots), show.trees(lineage, roots, "below")
    elif target is not None:
        roots = lineage.first(target)
        chosen, lines = lineage.above(roots), show.trees(lineage, roots, "above")
    else:
        chosen = lineage if name is None else lineage.around(lineage.named(name))
        lines = show.steps(lineage, chosen)
    if json:
        return orjson.dumps(show.as_dict(chosen)).decode() + "\n"
    return show.mermaid(chosen) if drawn else "".join(f"{line}\n" for line in lines)
