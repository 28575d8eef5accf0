"""One alert, as a rule of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.topology.levels import Severity


@dataclass(frozen=True, slots=True)
class Alert:
    """Its name is also its runbook's. Texts are Prometheus templates: ``$labels``, ``$value``."""

    name: str
    expr: str
    severity: Severity
    owner: str
    summary: str
    description: str
    #: How long the expression must hold, as a duration of Prometheus.
    lasting: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self, runbooks: str) -> dict[str, Any]:
        """As an entry of a rule group; ``runbooks`` is the URL of the folder of runbooks."""
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": self.lasting} if self.lasting else {}),
            "labels": {"severity": self.severity, "owner": self.owner, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}/{self.name}.md",
            },
        }
