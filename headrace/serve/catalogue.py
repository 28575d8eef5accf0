"""``/v1/catalog``: everything that the topology declares, who owns it, and what leads to what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel, Field

from headrace.schema import Registry
from headrace.serve.answers import answer, respond
from headrace.serve.auth import Caller, calling
from headrace.serve.openapi import responses
from headrace.serve.positions import Positions
from headrace.serve.registry import Catalog
from headrace.topology import graph
from headrace.topology.metrics import Cohorts, Funnel, Metric
from headrace.topology.model import Topology

#: What is declared changes only when the process is started again.
MAX_AGE_S = 60

Reader = Annotated[Caller, Security(calling, scopes=["catalog:read"])]
Entry = dict[str, Any]


class Catalogue(BaseModel):
    """Lists of what is declared, each with a name, a doc and an owner where there is one."""

    pipeline: str = Field(examples=["headrace"])
    topics: list[Entry] = Field(description="With schema, key and partitions")
    agents: list[Entry]
    tables: list[Entry]
    views: list[Entry]
    keyspaces: list[Entry]
    metrics: list[Entry] = Field(description="With the freshness that they are to have")
    funnels: list[Entry]
    cohorts: list[Entry]
    read_models: list[Entry]
    lineage: list[list[str]] = Field(
        description="From, to, as kind:name", examples=[[["topic:shop.orders", "agent:analytics"]]]
    )
    position: dict[str, list[int]]


def describe(topology: Topology, schemas: Catalog) -> Entry:
    """The catalogue's document, with the schemas as they are locked now."""
    return {
        "pipeline": topology.name,
        "topics": [_topic(topology, name, schemas) for name in topology.topics],
        "agents": [
            {
                "name": name,
                "doc": agent.doc,
                "owner": agent.owner,
                "reads": agent.reads,
                "writes": agent.targets,
            }
            for name, agent in topology.agents.items()
        ],
        "tables": [
            {"name": name, "topic": table.topic, "order_by": table.order_by}
            for name, table in topology.clickhouse.tables.items()
        ],
        "views": [
            {"name": n, "doc": v.doc, "columns": v.columns, "order_by": v.order_by, "owners":
             sorted({m.owner for m in _asking(topology).values() if m.view == n and m.owner})}
            for n, v in topology.clickhouse.views.items()
        ],
        "keyspaces": [
            {"name": name, "doc": k.doc, "type": k.type, "ttl_hours": k.ttl_hours, "owners":
             sorted({m.owner for m in _read_models(topology).values() if name in m.keyspaces})}
            for name, k in topology.redis.keyspaces.items()
        ],
        "metrics": [
            {
                "name": name,
                "doc": metric.doc,
                "owner": metric.owner,
                "unit": metric.unit,
                "kind": metric.measure.kind,
                "view": metric.view,
                "dimensions": metric.dimensions,
                "objective": metric.objective and metric.objective.model_dump(),
            }
            for name, metric in topology.metrics.items()
        ],
        "funnels": [
            {"name": n, "doc": f.doc, "owner": f.owner, "view": f.view, "steps": f.steps}
            for n, f in topology.funnels.items()
        ],
        "cohorts": [
            {"name": n, "doc": c.doc, "owner": c.owner, "view": c.view, "periods": c.periods}
            for n, c in topology.cohorts.items()
        ],
        "read_models": [
            {"name": n, "doc": m.doc, "owner": m.owner, "keyspaces": m.keyspaces}
            for n, m in _read_models(topology).items()
        ],
        "lineage": _lineage(topology),
    }  # fmt: skip


def _topic(topology: Topology, name: str, schemas: Catalog) -> Entry:
    topic = topology.topics[name]
    subject = Registry.subject(name)
    newest = schemas.versions(subject)[-1]
    return {
        "name": name,
        "doc": topic.doc,
        "owner": topic.owner,
        "key": topic.key,
        "partitions": topology.partitions(name),
        "retention_hours": topic.retention_hours or topology.defaults.retention_hours,
        "schema": {"subject": subject, "version": newest.version, "id": newest.id},
        "rules": [
            {"name": n, "holds": rule.text, "on_failure": rule.on_failure}
            for n, rule in topic.rules.items()
        ],
    }


def _asking(topology: Topology) -> dict[tuple[str, str], Metric | Funnel | Cohorts]:
    found: dict[tuple[str, str], Metric | Funnel | Cohorts] = {}
    found |= {("metric", name): metric for name, metric in topology.metrics.items()}
    found |= {("funnel", name): funnel for name, funnel in topology.funnels.items()}
    found |= {("cohorts", name): cohorts for name, cohorts in topology.cohorts.items()}
    return found


def _read_models(topology: Topology) -> dict[str, Any]:
    features = topology.serve.features
    return {**({"features": features} if features else {}), **topology.serve.views}


def _lineage(topology: Topology) -> list[tuple[str, str]]:
    drawn = [(f"{a}:{m}", f"{b}:{n}") for (a, m), (b, n) in graph.edges(topology)]
    asked = [
        (f"{graph.VIEW}:{one.view}", f"{kind}:{name}")
        for (kind, name), one in _asking(topology).items()
    ]
    read = [
        (f"{graph.KEYSPACE}:{keyspace}", f"read_model:{name}")
        for name, model in _read_models(topology).items()
        for keyspace in model.keyspaces
    ]
    return [*drawn, *asked, *read]


def router(topology: Topology, schemas: Catalog, positions: Positions) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", tags=["catalog"])

    @routes.get("/catalog", response_model=Catalogue, responses=responses())
    async def catalog(request: Request, caller: Reader) -> Response:
        """Topics, agents, tables, views, keyspaces, metrics and read models, and their lineage."""
        position = await positions.of_tables(list(topology.topics))
        return respond(request, answer(describe(topology, schemas), position), MAX_AGE_S)

    return routes
