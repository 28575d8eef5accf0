"""Who asks views and keyspaces: metrics, funnels, cohorts, read models, panels, levels, alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from headrace.lineage.graph import Edge, How, Kind, Node
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.model import Topology

FEATURES = "features"


def uses(topology: Topology) -> Iterator[Edge]:
    """Edges from columns of views and from keyspaces down to whom an alert is for."""
    for name, metric in topology.metrics.items():
        node = Node(Kind.METRIC, name)
        yield from _asks(metric, node, metric.measure.columns, metric.where, metric.dimensions)
        if metric.objective is not None:
            yield Edge(node, Node(Kind.LEVEL, level_of(name)))
    for name, funnel in topology.funnels.items():
        node = Node(Kind.FUNNEL, name)
        yield from _asks(funnel, node, (funnel.value, funnel.step), (), funnel.dimensions)
    for name, cohorts in topology.cohorts.items():
        yield from _asks(cohorts, Node(Kind.COHORTS, name), (cohorts.id,), (), ())
    yield from _read_models(topology)
    yield from _panels(topology)
    for name, watch in topology.anomalies.watches.items():
        node = Node(Kind.WATCH, name)
        yield Edge(Node(Kind.METRIC, watch.metric), node)
        yield Edge(node, Node(Kind.ALERT, watch.group))


def declared_names(topology: Topology) -> Mapping[Kind, Iterable[str]]:
    """The owners of nodes, in the order in which they are declared."""
    return {
        Kind.FIELD: topology.topics,
        Kind.RULE: topology.topics,
        Kind.COLUMN: topology.clickhouse.tables,
        Kind.VIEW: topology.clickhouse.views,
        Kind.KEYSPACE: topology.redis.keyspaces,
        Kind.METRIC: topology.metrics,
        Kind.READ_MODEL: [FEATURES, *topology.serve.views],
        Kind.PANEL: topology.serve.panels,
        Kind.LEVEL: [level_of(name) for name in topology.metrics],
        Kind.WATCH: topology.anomalies.watches,
        Kind.ALERT: topology.anomalies.groups,
    }


def level_of(metric: str) -> str:
    """The name of what a metric is promised."""
    return f"freshness of {metric}"


def _asks(
    asks: Metric | Funnel | Cohorts,
    node: Node,
    values: Iterable[str],
    rows: Iterable[str],
    by: Iterable[str],
) -> Iterator[Edge]:
    tenant = (asks.tenant,) if asks.tenant else ()
    for how, columns in (
        (How.VALUE, values),
        (How.ROWS, (*rows, *tenant)),
        (How.BY, (asks.time, *by)),
    ):
        for column in columns:
            yield Edge(Node(Kind.VIEW, asks.view, column), node, how)


def _read_models(topology: Topology) -> Iterator[Edge]:
    models = dict(topology.serve.views)
    if topology.serve.features is not None:
        models[FEATURES] = topology.serve.features
    for name, model in models.items():
        for keyspace in model.keyspaces:
            yield Edge(Node(Kind.KEYSPACE, keyspace), Node(Kind.READ_MODEL, name))


def _panels(topology: Topology) -> Iterator[Edge]:
    for name, panel in topology.serve.panels.items():
        node = Node(Kind.PANEL, name)
        for metric in panel.metrics:
            yield Edge(Node(Kind.METRIC, metric), node)
        if panel.funnel is not None:
            yield Edge(Node(Kind.FUNNEL, panel.funnel), node)
        if panel.view is not None:
            yield Edge(Node(Kind.READ_MODEL, panel.view), node)
