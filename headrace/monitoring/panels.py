"""Panels of a Grafana dashboard, in Grafana's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

#: The dashboard's variable: which Prometheus.
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Grafana 10's; newer ones migrate it when they load the dashboard.
SCHEMA_VERSION = 39
WIDTH, HEIGHT, COLUMNS = 8, 8, 3


#: Units of the topology that Grafana has a name for; it shows others behind the number.
UNITS = {
    "": "short", "s": "s", "ms": "ms", "us": "µs", "ratio": "percentunit", "bytes": "bytes",
    "EUR": "currencyEUR", "USD": "currencyUSD", "GBP": "currencyGBP",
}  # fmt: skip


def grafana_unit(unit: str) -> str:
    """Grafana's id of a unit of the topology."""
    return UNITS.get(unit, f"suffix: {unit}")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are named, by their labels in double braces."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. ``unit`` is one of Grafana's; ``limit`` draws a line at what was promised."""

    title: str
    doc: str
    unit: str
    queries: Sequence[Query]
    limit: float | None = None
    kind: str = "timeseries"

    def json(self, number: int) -> dict[str, Any]:
        """As the dashboard's panel of that number, which also places it."""
        row, column = divmod(number - 1, COLUMNS)
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.doc,
            "datasource": SOURCE,
            "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": [
                {
                    "refId": chr(ord("A") + i),
                    "datasource": SOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend,
                }
                for i, query in enumerate(self.queries)
            ],
        }

    def _defaults(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if self.limit is not None:
            steps.append({"color": "red", "value": self.limit})
        custom = {"thresholdsStyle": {"mode": "line" if self.limit is not None else "off"}}
        return {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
            **({"custom": custom} if self.kind == "timeseries" else {}),
        }

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}


def dashboard(uid: str, title: str, panels: Iterable[Panel], tags: Sequence[str]) -> str:
    """A dashboard's file; ``uid`` stays, so that importing it again replaces it."""
    variable = {
        "name": "datasource",
        "type": "datasource",
        "query": "prometheus",
        "label": "Prometheus",
    }
    firing = {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", alertname=~"Headrace.*"}',
        "titleFormat": "{{alertname}}",
        "tagKeys": "severity,owner,slo",
    }
    value = {
        "uid": uid,
        "title": title,
        "tags": list(tags),
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "templating": {"list": [variable]},
        "annotations": {"list": [firing]},
        "panels": [panel.json(i) for i, panel in enumerate(panels, 1)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
