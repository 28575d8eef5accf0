"""Real services for a laptop and CI: Kafka, Redis, ClickHouse, started and stopped."""

from headrace.stack.manager import ServiceStatus, down, running, status, up

__all__ = ["ServiceStatus", "down", "running", "status", "up"]
