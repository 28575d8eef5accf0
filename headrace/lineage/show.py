"""The lineage as text, as JSON and as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from headrace.lineage.graph import Edge, How, Kind, Lineage, Node

Direction = Literal["below", "above"]


def trees(lineage: Lineage, roots: Sequence[Node], direction: Direction) -> Iterator[str]:
    """A tree for each root, all the way; what was shown before is shown once."""
    shown: set[Node] = set()
    alone = [node for node in roots if not _steps(lineage, node, direction)]
    for root in roots:
        if root not in alone:
            yield f"{root}"
            yield from _branches(lineage, root, direction, "", shown)
    if alone:
        verb = "feeds" if direction == "below" else "is fed by"
        yield from (f"{node}  {verb} nothing" for node in alone)


def _steps(lineage: Lineage, node: Node, direction: Direction) -> list[tuple[Edge, Node]]:
    if direction == "below":
        return [(edge, edge.target) for edge in lineage.feeds(node)]
    return [(edge, edge.source) for edge in lineage.fed_by(node)]


def _branches(
    lineage: Lineage, node: Node, direction: Direction, indent: str, shown: set[Node]
) -> Iterator[str]:
    steps = _steps(lineage, node, direction)
    if node in shown and steps:
        yield f"{indent}└─ … as above"
        return
    shown.add(node)
    for i, (edge, other) in enumerate(steps):
        last = i == len(steps) - 1
        yield f"{indent}{'└─' if last else '├─'} {_titled(other)}{_said(edge)}"
        yield from _branches(lineage, other, direction, indent + ("   " if last else "│  "), shown)


def _titled(node: Node) -> str:
    return str(node) if _name(node) == node.name else f"{_name(node)} ({node.kind.value})"


def _name(node: Node) -> str:
    whole = not node.part and node.kind in (Kind.FIELD, Kind.COLUMN)
    return f"every row of {node.name}" if whole else node.name


def _said(edge: Edge) -> str:
    how = "" if edge.how is How.VALUE else f"  ({_WORDS[edge.how]})"
    return how + (f"  (seen: agent {edge.agent})" if edge.agent else "")


_WORDS = {How.ROWS: "decides which rows count", How.BY: "splits it"}


def steps(lineage: Lineage, chosen: Lineage) -> Iterator[str]:
    """Each thing of ``chosen`` that something feeds, with all that feeds it, grouped."""
    groups: dict[tuple[Kind, str], list[Node]] = {}
    for node in chosen.nodes:
        edges = lineage.fed_by(node)
        if edges and not (node.kind is Kind.COLUMN and all(map(_copied, edges))):
            groups.setdefault((node.kind, node.owner), []).append(node)
    for kind, owner in sorted(groups, key=lambda group: list(Kind).index(group[0])):
        yield f"{kind.value} {owner}"
        yield from (f"  {line}" for line in _group(lineage, groups[kind, owner]))


def _copied(edge: Edge) -> bool:
    return edge.source.part == edge.target.part and not edge.agent


def _group(lineage: Lineage, nodes: Sequence[Node]) -> Iterator[str]:
    """A line for each way that each node is fed; what decides on the rows of all stands once."""
    fed = {node: {(e.how, e.agent, e.source): None for e in lineage.fed_by(node)} for node in nodes}
    common = [
        one
        for one in fed[nodes[0]]
        if one[0] is How.ROWS and len(nodes) > 1 and all(one in f for f in fed.values())
    ]
    for node in nodes:
        ways: dict[tuple[How, str], list[Node]] = {}
        for how, agent, source in fed[node]:
            if (how, agent, source) not in common:
                ways.setdefault((how, agent), []).append(source)
        for (how, agent), sources in ways.items():
            seen = f"  (seen: agent {agent})" if agent else ""
            part = f"{node.part} " if node.part else ""
            yield f"{part}{_ARROWS[how]} {_listed(sources)}{seen}"
    if common:
        yield f"all of them {_ARROWS[How.ROWS]} {_listed([source for *_, source in common])}"


_ARROWS = {How.VALUE: "←", How.ROWS: "← rows by", How.BY: "← split by"}


def _listed(nodes: Sequence[Node]) -> str:
    """Names, those with one owner in parentheses behind it."""
    owners: dict[str, list[Node]] = {}
    for node in nodes:
        owners.setdefault(node.owner, []).append(node)
    return ", ".join(
        f"{owner} ({', '.join(node.part or 'every row' for node in inside)})"
        if len(inside) > 1
        else _name(inside[0])
        for owner, inside in owners.items()
    )


def as_dict(lineage: Lineage) -> dict[str, Any]:
    """For --json. Nodes are named ``<kind> <name>``; ``agent`` is who was seen, or null."""
    return {
        "nodes": [
            {"id": str(node), "kind": node.kind.value, "name": node.name} for node in lineage.nodes
        ],
        "edges": [
            {
                "from": str(edge.source), "to": str(edge.target), "how": edge.how.value,
                "agent": edge.agent or None,
            }
            for edge in lineage.edges
        ],
        "gaps": list(lineage.gaps),
    }  # fmt: skip


def mermaid(lineage: Lineage) -> str:
    """A flowchart with a box for each topic, table and view; dotted is what was seen."""
    linked = {node for edge in lineage.edges for node in (edge.source, edge.target)}
    ids = {node: f"n{i}" for i, node in enumerate(lineage.nodes) if node in linked}
    owners: dict[tuple[Kind, str], list[Node]] = {}
    for node in ids:
        owners.setdefault((node.kind, node.owner), []).append(node)
    lines = ["flowchart LR"]
    for i, ((kind, owner), inside) in enumerate(owners.items()):
        if all(node.part for node in inside):
            lines.append(f'  subgraph s{i}["{kind.value} {owner}"]')
            lines += [f'    {ids[node]}["{node.part}"]' for node in inside]
            lines.append("  end")
        else:
            lines += [f'  {ids[node]}["{_titled(node)}"]' for node in inside]
    for edge in lineage.edges:
        arrow = "-.->" if edge.agent else "-->"
        label = "" if edge.how is How.VALUE else f"|{edge.how.value}|"
        lines.append(f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}")
    return "\n".join(lines) + "\n"
