"""The graph: what a value stands in, what feeds it, what it feeds."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from headrace.errors import ConfigError


class Kind(str, Enum):
    """What a node is, in the order in which values go through them."""

    INTAKE = "intake"
    FIELD = "field"
    RULE = "rule"
    COLUMN = "column"
    VIEW = "view"
    KEYSPACE = "keyspace"
    METRIC = "metric"
    FUNNEL = "funnel"
    COHORTS = "cohorts"
    READ_MODEL = "read model"
    PANEL = "panel"
    LEVEL = "level"
    WATCH = "watch"
    ALERT = "alert"


class How(str, Enum):
    """What one value is for another."""

    #: It is copied, computed with or counted.
    VALUE = "value"
    #: It decides which rows count: a filter, the condition of a join, an array that is joined.
    ROWS = "rows"
    #: It is what the other is split by, or placed in time by.
    BY = "by"


@dataclass(frozen=True, slots=True)
class Node:
    """One place of a value: ``owner`` is a topic, a table, a view or a name, ``part`` within it."""

    kind: Kind
    owner: str
    part: str = ""

    @property
    def name(self) -> str:
        """As users write it: ``shop.orders.lines.quantity``, ``revenue_by_minute.revenue``."""
        return f"{self.owner}.{self.part}" if self.part else self.owner

    def within(self, other: Node) -> bool:
        """Whether it is a part of what the other one is."""
        same = (self.kind, self.owner) == (other.kind, other.owner)
        return same and self.part.startswith(f"{other.part}." if other.part else "")

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class Edge:
    """``source`` feeds ``target``. ``agent`` is who was seen to do it; nobody if declared."""

    source: Node
    target: Node
    how: How = How.VALUE
    agent: str = ""


@dataclass(frozen=True)
class Lineage:
    """All nodes, in the topology's order, and edges. ``gaps`` says what could not be found out."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    gaps: Sequence[str] = field(default=())

    @cached_property
    def _out(self) -> dict[Node, list[Edge]]:
        found: dict[Node, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return found

    @cached_property
    def _in(self) -> dict[Node, list[Edge]]:
        found: dict[Node, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge)
        return found

    def feeds(self, node: Node) -> Sequence[Edge]:
        """What it goes into, one step on."""
        return self._out.get(node, ())

    def fed_by(self, node: Node) -> Sequence[Edge]:
        """What goes into it, one step back."""
        return self._in.get(node, ())

    def below(self, nodes: Iterable[Node]) -> Lineage:
        """These, all that they feed at last, and what is between."""
        return self._only(self._reached(nodes, lambda node: (e.target for e in self.feeds(node))))

    def above(self, nodes: Iterable[Node]) -> Lineage:
        """These, all that feeds them at last, and what is between."""
        return self._only(self._reached(nodes, lambda node: (e.source for e in self.fed_by(node))))

    def around(self, nodes: Iterable[Node]) -> Lineage:
        """``above`` and ``below`` together."""
        chosen = list(nodes)
        return self._only({*self.above(chosen).nodes, *self.below(chosen).nodes})

    def _only(self, held: set[Node]) -> Lineage:
        edges = [edge for edge in self.edges if {edge.source, edge.target} <= held]
        return Lineage([node for node in self.nodes if node in held], edges, self.gaps)

    @staticmethod
    def _reached(nodes: Iterable[Node], step: Callable[[Node], Iterable[Node]]) -> set[Node]:
        seen = set(nodes)
        todo = list(seen)
        while todo:
            new = set(step(todo.pop())) - seen
            todo += new
            seen |= new
        return seen

    def first(self, text: str) -> list[Node]:
        """Of the nodes of a name (``named``) those that no other one of them feeds."""
        found = self.named(text)
        fed = {node for one in found for node in self.below([one]).nodes if node != one}
        return [node for node in found if node not in fed]

    def named(self, text: str) -> list[Node]:
        """The nodes of a name, or of ``<kind> <name>``, or all that are part of it.

        Raises ConfigError, with names that are near, if there are none.
        """
        asked, name = self._split(text)
        found = [
            node
            for node in self.nodes
            if asked in (None, node.kind)
            and (node.name == name or node.name.startswith(f"{name}.") or node.owner == name)
        ]
        if not found:
            near = difflib.get_close_matches(name, {node.name for node in self.nodes}, n=3)
            known = f"did you mean {', '.join(map(repr, near))}?" if near else _FORMS
            raise ConfigError(f"nothing in the lineage is named {text!r}; {known}")
        return found

    @staticmethod
    def _split(text: str) -> tuple[Kind | None, str]:
        for kind in Kind:
            if text.startswith((f"{kind.value} ", f"{kind.value}:")):
                return kind, text[len(kind.value) + 1 :].strip()
        return None, text


_FORMS = (
    "name a field (shop.orders.total), a column of a table or view (orders.total), or what is "
    "declared by name, with its kind where names clash ('metric revenue')"
)
