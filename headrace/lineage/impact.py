"""What a change touches: everything that a field or a column feeds at last, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.lineage.graph import Kind, Lineage, Node

#: Where a change is, not what it touches.
_PLACES = (Kind.INTAKE, Kind.FIELD, Kind.COLUMN)


def touched(lineage: Lineage, nodes: Iterable[Node]) -> list[Node]:
    """Below these, views' columns one by one, in the order in which values go through them."""
    start = set(nodes)
    below = lineage.below(start).nodes
    return _sorted(n for n in below if n not in start and n.kind not in _PLACES)


def broken(lineage: Lineage, nodes: Iterable[Node]) -> list[Node]:
    """What can't go on without these: a select that lacks one name fails, its view as a whole."""
    gone = set(nodes)
    targets = [edge.target for node in gone for edge in lineage.feeds(node)]
    views = dict.fromkeys(node.owner for node in targets if node.kind is Kind.VIEW)
    columns = [n for n in lineage.nodes if n.kind is Kind.VIEW and n.owner in views]
    whole = [Node(Kind.VIEW, name) for name in views]
    return _sorted([*whole, *touched(lineage, [*gone, *columns])])


def _sorted(nodes: Iterable[Node]) -> list[Node]:
    rank = {kind: i for i, kind in enumerate(Kind)}
    return sorted(nodes, key=lambda node: rank[node.kind])


def named(nodes: Sequence[Node]) -> list[str]:
    """Each kind with its names, columns in parentheses behind their view."""
    kinds: dict[Kind, dict[str, list[str]]] = {}
    for node in nodes:
        parts = kinds.setdefault(node.kind, {}).setdefault(node.owner, [])
        if node.part:
            parts.append(node.part)
    return [
        f"{kind.value} {', '.join(_owner(name, parts) for name, parts in owners.items())}"
        for kind, owners in kinds.items()
    ]


def _owner(name: str, parts: Sequence[str]) -> str:
    return f"{name} ({', '.join(parts)})" if parts else name
