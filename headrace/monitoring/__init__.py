"""What watches the pipeline, generated from the topology: Prometheus rules, alerts, dashboards."""

from headrace.monitoring.files import files

__all__ = ["files"]
