"""The lineage of a topology."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from headrace.agent import AgentFunction
from headrace.lineage import windows
from headrace.lineage.graph import Edge, How, Kind, Lineage, Node
from headrace.lineage.observed import Observed, observe
from headrace.lineage.paths import paths
from headrace.lineage.samples import Samples
from headrace.lineage.select import Reads
from headrace.lineage.selects import said, selects, tables
from headrace.lineage.sources import Ref
from headrace.lineage.uses import declared_names, uses
from headrace.rules.compiled import compile_rule
from headrace.rules.wrong import Wrong
from headrace.schema import AvroSchema, Registry
from headrace.topology.model import Topology
from headrace.windows import agents as windows_agents


def trace(
    topology: Topology, registry: Registry, agents: Mapping[str, AgentFunction | str]
) -> Lineage:
    """Everything, from fields to alerts.

    ``registry`` has the schemas that events are taken to have; ``agents`` their functions, or why
    there is none. Raises ConfigError for a topic whose schema is not in the registry.
    """
    return _Trace(topology, registry, agents).lineage()


class _Trace:
    def __init__(
        self, topology: Topology, registry: Registry, agents: Mapping[str, AgentFunction | str]
    ) -> None:
        self._topology = topology
        self._registry = registry
        self._agents = agents
        self._schemas: dict[str, AvroSchema] = {
            name: registry.latest(topic.schema_) for name, topic in topology.topics.items()
        }
        self._paths = {name: paths(schema.type) for name, schema in self._schemas.items()}
        self._gaps: list[str] = []
        self._kinds = {kind: i for i, kind in enumerate(Kind)}
        self._declared = {
            (kind, name): i
            for kind, names in declared_names(topology).items()
            for i, name in enumerate(names)
        }

    def lineage(self) -> Lineage:
        edges = dict.fromkeys(
            [
                *self._intake(),
                *self._rules(),
                *self._copied(),
                *self._selected(),
                *windows.edges(self._topology, self._schemas),
                *self._observed(),
                *uses(self._topology),
            ]
        )
        nodes = dict.fromkeys(self._fields())
        nodes.update(dict.fromkeys(node for e in edges for node in (e.source, e.target)))
        nodes.update(dict.fromkeys(Node(Kind.KEYSPACE, k) for k in self._topology.redis.keyspaces))
        return Lineage(sorted(nodes, key=self._place_of), tuple(edges), tuple(self._gaps))

    def _place_of(self, node: Node) -> tuple[int, int]:
        """Kinds in their order, and of a kind what is declared first."""
        return self._kinds[node.kind], self._declared.get((node.kind, node.owner), 0)

    def _fields(self) -> Iterator[Node]:
        for topic, found in self._paths.items():
            yield from (Node(Kind.FIELD, topic, path) for path in found)

    def _intake(self) -> Iterator[Edge]:
        for name, intake in self._topology.intake.items():
            for field, source in intake.sources.items():
                if source.from_ is not None:
                    came = Node(Kind.INTAKE, name, source.from_)
                    yield Edge(came, Node(Kind.FIELD, intake.topic, field))

    def _rules(self) -> Iterator[Edge]:
        for topic, declared in self._topology.topics.items():
            dtypes: dict[str, pl.DataType] = {c.name: c.dtype for c in self._schemas[topic]}
            for name, rule in declared.rules.items():
                try:
                    fields = compile_rule(name, rule, dtypes).fields
                except Wrong as wrong:
                    self._gaps.append(f"rule {name!r} of {topic}: {wrong.wrong}")
                    continue
                for field in fields:
                    yield Edge(Node(Kind.FIELD, topic, field), Node(Kind.RULE, topic, name))

    def _copied(self) -> Iterator[Edge]:
        """A raw table has the reader schema's fields as its columns."""
        for name, table in self._topology.clickhouse.tables.items():
            for path in ("", *self._paths[table.topic]):
                yield Edge(Node(Kind.FIELD, table.topic, path), Node(Kind.COLUMN, name, path))

    def _selected(self) -> Iterator[Edge]:
        known = tables(self._topology, self._paths)
        for one in selects(self._topology, known):
            where = f"view {one.view}, the select from {one.source}"
            if one.reads is None:
                self._gaps.append(f"{where}: {one.unread}")
                continue
            self._gaps += [f"{where}: {'; '.join(said(unknown))}" for unknown in one.reads.unknown]
            columns = self._topology.clickhouse.views[one.view].columns
            yield from self._view(one.view, columns, one.source, one.reads, known)

    def _view(
        self, name: str, columns: Iterable[str], source: str, reads: Reads,
        tables: Mapping[str, list[str]],
    ) -> Iterator[Edge]:  # fmt: skip
        for column in columns:
            if column not in reads.outputs:
                continue
            target = Node(Kind.VIEW, name, column)
            values = list(_whole(reads.outputs[column], tables))
            for ref in values:
                yield Edge(self._place(ref), target)
            if not values:  # it counts rows, or is the same for all of them
                yield Edge(Node(Kind.COLUMN, source), target, How.ROWS)
            for ref in sorted(reads.rows, key=lambda ref: (ref.table, ref.path)):
                yield Edge(self._place(ref), target, How.ROWS)

    def _place(self, ref: Ref) -> Node:
        kind = Kind.VIEW if ref.table in self._topology.clickhouse.views else Kind.COLUMN
        return Node(kind, ref.table, ref.path)

    def _observed(self) -> Iterator[Edge]:
        samples: dict[str, Samples] = {}
        declared = windows_agents.names(self._topology)
        for name, agent in self._topology.agents.items():
            if name in declared:
                continue
            function = self._agents.get(name, "there is no such function")
            silent = {*agent.writes.keyspaces, *agent.writes.topics}
            silent |= {agent.state.keyspace} if agent.state else set()
            for topic in agent.reads:
                if isinstance(function, str):
                    self._gaps.append(f"agent {name}: not run: {function}")
                    break
                made = samples.setdefault(topic, Samples(self._topology, topic, self._registry))
                seen = observe(function, made.frame, made.paths)
                if seen.failed:
                    self._gaps.append(f"agent {name} on samples of {topic}: {seen.failed}")
                silent -= {target.keyspace or target.topic for target in seen.written}
                yield from self._edges(name, topic, seen)
            if silent and not isinstance(function, str):
                missing = ", ".join(sorted(silent))
                self._gaps.append(f"agent {name}: no sample made it write to {missing}")

    def _edges(self, agent: str, topic: str, seen: Observed) -> Iterator[Edge]:
        for path, target in seen.reads:
            field = Node(Kind.FIELD, topic, path)
            if target.keyspace:
                yield Edge(field, Node(Kind.KEYSPACE, target.keyspace), agent=agent)
            elif target.topic:
                yield Edge(field, Node(Kind.FIELD, target.topic, target.column), agent=agent)
            elif target.column != path.partition(".")[0]:
                yield Edge(field, Node(Kind.COLUMN, target.table, target.column), agent=agent)


def _whole(refs: Iterable[Ref], tables: Mapping[str, list[str]]) -> Iterator[Ref]:
    """A record or an array that is read has all that is in it."""
    for ref in sorted(refs, key=lambda ref: (ref.table, ref.path)):
        yield ref
        for path in tables.get(ref.table, ()):
            if path.startswith(f"{ref.path}."):
                yield Ref(ref.table, path)
