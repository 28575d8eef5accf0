"""Examples to start from: Prometheus' own configuration and Alertmanager's routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.monitoring.symptoms import NODE, SERVE, WORKERS

#: Files of rules, beside the configuration that names them.
RECORDING, ALERTS = "recording.rules.yml", "alerts.rules.yml"


def prometheus() -> dict[str, Any]:
    """Who is scraped, on one machine with the ports that docs/alerts.md uses."""
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "30s"},
        "rule_files": [RECORDING, ALERTS],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": targets}]}
            for name, targets in (
                (WORKERS, ["127.0.0.1:9101", "127.0.0.1:9102"]),
                (SERVE, ["127.0.0.1:8081"]),
                (NODE, ["127.0.0.1:9100"]),
            )
        ],
    }


def alertmanager(owners: Iterable[str]) -> dict[str, Any]:
    """A route and two receivers for each owner: pages at once, tickets gathered."""
    ordered = sorted(set(owners))
    return {
        "route": {
            "receiver": f"{ordered[0]}-ticket",
            "group_by": ["alertname", "owner", "slo"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "1d",
            "routes": [
                {
                    "matchers": [f'owner="{owner}"'],
                    "receiver": f"{owner}-ticket",
                    "routes": [
                        {
                            "matchers": ['severity="page"'],
                            "receiver": f"{owner}-page",
                            "group_wait": "10s",
                            "repeat_interval": "1h",
                        }
                    ],
                }
                for owner in ordered
            ],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [
            {
                "name": f"{owner}-{severity}",
                "webhook_configs": [{"url": f"http://127.0.0.1:9099/{owner}/{severity}"}],
            }
            for owner in ordered
            for severity in ("page", "ticket")
        ],
    }


def _inhibitions() -> list[dict[str, Any]]:
    """What needs no telling while its cause is told."""
    consequences = "HeadraceWorkerGone|HeadracePartitionStalled|HeadraceLagBudgetBurn"
    return [
        {
            "source_matchers": ['severity="page"'],
            "target_matchers": ['severity="ticket"'],
            "equal": ["alertname", "slo", "sink", "topic", "metrics"],
        },
        {
            "source_matchers": ['alertname="HeadraceNoWorkers"'],
            "target_matchers": [f'alertname=~"{consequences}"'],
        },
        {
            "source_matchers": ['alertname="HeadraceFreshnessBudgetBurn"', 'sink="clickhouse"'],
            "target_matchers": ['alertname="HeadraceMetricFreshnessBudgetBurn"'],
        },
    ]
