"""The topology as a picture: topics, agents, and what they fill, in columns from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from headrace.topology.model import Topology

TOPIC, AGENT, TABLE, KEYSPACE, VIEW = "topic", "agent", "table", "keyspace", "view"


@dataclass(frozen=True, slots=True)
class Node:
    """A box: its kind, name, and the column it stands in."""

    kind: str
    name: str
    column: int

    @property
    def id(self) -> str:
        """A name that Mermaid and SVG take."""
        return f"{self.kind}_" + "".join(c if c.isalnum() else "_" for c in self.name)


def nodes(topology: Topology) -> list[Node]:
    """All boxes, in declared order."""
    return [
        *(Node(TOPIC, name, 0) for name in topology.topics),
        *(Node(AGENT, name, 1) for name in topology.agents),
        *(Node(TABLE, name, 2) for name in topology.clickhouse.tables),
        *(Node(KEYSPACE, name, 2) for name in topology.redis.keyspaces),
        *(Node(VIEW, name, 3) for name in topology.clickhouse.views),
    ]


def edges(topology: Topology) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """All arrows, as pairs of (kind, name)."""
    for name, agent in topology.agents.items():
        for topic in agent.reads:
            yield (TOPIC, topic), (AGENT, name)
        for table in agent.writes.tables:
            yield (AGENT, name), (TABLE, table)
        for keyspace in agent.keyspaces:
            yield (AGENT, name), (KEYSPACE, keyspace)
        for topic in agent.writes.topics:
            yield (AGENT, name), (TOPIC, topic)
    for name, view in topology.clickhouse.views.items():
        for source in view.from_:
            yield (TABLE, source), (VIEW, name)


def mermaid(topology: Topology) -> str:
    """A Mermaid flowchart."""
    shapes = {TOPIC: '(["{}"])', AGENT: '["{}"]', TABLE: '[("{}")]', KEYSPACE: '{{{{"{}"}}}}',
              VIEW: '[/"{}"/]'}  # fmt: skip
    by_name = {(n.kind, n.name): n for n in nodes(topology)}
    lines = ["flowchart LR"]
    lines += [f"  {n.id}{shapes[n.kind].format(n.name)}" for n in by_name.values()]
    lines += [f"  {by_name[a].id} --> {by_name[b].id}" for a, b in edges(topology)]
    return "\n".join(lines) + "\n"


# -- SVG ------------------------------------------------------------------------------------------

BOX_W, BOX_H, GAP_Y, GAP_X, MARGIN, HEAD = 196, 28, 10, 84, 24, 34
TITLES = ("Kafka topics", "Faust agents", "ClickHouse tables, Redis keys", "ClickHouse views")
STYLE = """
  svg { background: #ffffff; font: 13px system-ui, sans-serif; }
  text { fill: #1c2430; } .title { font-weight: 600; fill: #4a5568; }
  path { fill: none; stroke: #8a97a8; stroke-width: 1.2; opacity: .75; }
  rect { stroke-width: 1.2; }
  .topic { fill: #e8f1fd; stroke: #3b7dd8; } .agent { fill: #fff3d6; stroke: #c98a00; }
  .table, .view { fill: #e4f6ea; stroke: #2f9355; } .keyspace { fill: #fde8e8; stroke: #cf4545; }
  @media (prefers-color-scheme: dark) {
    svg { background: #12161c; } text { fill: #e6ebf2; } .title { fill: #a9b4c2; }
    path { stroke: #6b7888; }
    .topic { fill: #16283f; } .agent { fill: #3a2d0c; }
    .table, .view { fill: #12301f; } .keyspace { fill: #3c1a1a; }
  }
"""


def svg(topology: Topology) -> str:
    """A drawing in layers; within a layer boxes stand by the mean height of what feeds them."""
    arrows = list(edges(topology))
    columns = _layout(nodes(topology), arrows)
    tallest = max(len(column) for column in columns)
    height = MARGIN * 2 + HEAD + tallest * (BOX_H + GAP_Y)
    width = MARGIN * 2 + len(columns) * BOX_W + (len(columns) - 1) * GAP_X
    places: dict[tuple[str, str], tuple[float, float]] = {}
    for c, column in enumerate(columns):
        top = MARGIN + HEAD + (tallest - len(column)) * (BOX_H + GAP_Y) / 2
        for r, node in enumerate(column):
            places[node.kind, node.name] = (
                MARGIN + c * (BOX_W + GAP_X),
                top + r * (BOX_H + GAP_Y),
            )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="Topology of {escape(topology.name)}">',
        f"<style>{STYLE}</style>",
        *_titles(len(columns)),
        *(_arrow(places[a], places[b]) for a, b in arrows),
        *(_box(node, places[node.kind, node.name]) for column in columns for node in column),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _layout(
    boxes: Sequence[Node], arrows: Sequence[tuple[tuple[str, str], tuple[str, str]]]
) -> list[list[Node]]:
    """Columns of boxes, ordered by barycentre (Sugiyama, Tagawa, Toda 1981), one sweep."""
    columns: list[list[Node]] = [[n for n in boxes if n.column == c] for c in range(4)]
    feeders: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for a, b in arrows:
        feeders.setdefault(b, []).append(a)
    for c in range(1, len(columns)):
        rank = {(n.kind, n.name): i for i, n in enumerate(columns[c - 1])}
        columns[c].sort(key=lambda n: _mean(feeders.get((n.kind, n.name), []), rank))
    return columns


def _mean(names: Sequence[tuple[str, str]], rank: Mapping[tuple[str, str], int]) -> float:
    known = [rank[name] for name in names if name in rank]
    return sum(known) / len(known) if known else 0.0


def _titles(count: int) -> Iterator[str]:
    for c in range(count):
        x = MARGIN + c * (BOX_W + GAP_X)
        yield f'<text class="title" x="{x}" y="{MARGIN + 12}">{escape(TITLES[c])}</text>'


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX_W, start[1] + BOX_H / 2
    x2, y2 = end[0], end[1] + BOX_H / 2
    bend = (x2 - x1) / 2
    return (
        f'<path d="M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} '
        f'{x2:.0f},{y2:.0f}"/>'
    )


def _box(node: Node, place: tuple[float, float]) -> str:
    x, y = place
    radius = BOX_H / 2 if node.kind == TOPIC else 5
    return (
        f'<rect class="{node.kind}" x="{x:.0f}" y="{y:.0f}" width="{BOX_W}" height="{BOX_H}" '
        f'rx="{radius:.0f}"/>'
        f'<text x="{x + 12:.0f}" y="{y + BOX_H / 2 + 4.5:.1f}">{escape(node.name)}</text>'
    )
