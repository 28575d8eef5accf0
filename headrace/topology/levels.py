"""Service levels in topology.yaml: what users of the pipeline may count on, and who answers for it.

``headrace.monitoring`` generates rules, alerts and dashboards from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from headrace.topology.base import Model

#: Owners are names of receivers and labels.
OWNER = r"^[a-z][a-z0-9_-]*$"
Owner = Annotated[str, StringConstraints(pattern=OWNER, max_length=64)]
Sink = Literal["clickhouse", "redis"]
Severity = Literal["page", "ticket"]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Level(Model):
    """A share of good events over a sliding window of ``window_days``; the rest is the budget.

    ``owner`` is who is told, by default the owner of all levels. With the severity ``ticket``
    nobody is woken, however fast the budget burns. No alert before ``min_errors`` bad events: with
    little traffic a single one would be a large share.
    """

    target: Annotated[float, Field(gt=0, lt=1)]
    window_days: Annotated[int, Field(ge=7, le=90)] = 30
    owner: Owner | None = None
    severity: Severity = "page"
    min_errors: Annotated[int, Field(ge=1)] = 10


class Within(Level):
    """A level for how long something takes: an event is good when it took no longer."""

    seconds: Seconds


class ServiceLevels(Model):
    """All levels; each that is left out is not watched.

    ``runbooks`` is the URL that docs/runbooks is published under.
    """

    owner: Owner = "operations"
    runbooks: Annotated[str, StringConstraints(pattern=r"^https?://\S*[^\s/]$")] = (
        "https://headrace.example/docs/runbooks"
    )
    #: Resident memory that a worker may use.
    worker_memory_bytes: Annotated[int, Field(ge=1_048_576)] = 2_147_483_648
    #: By sink: records visible in it so long after they were produced.
    freshness: dict[Sink, Within] = Field(default_factory=dict)
    #: Records of each topic that are not set aside as dead letters.
    delivery: Level | None = None
    #: Time in which each topic's backlog would be worked off in so long.
    lag: Within | None = None
    #: Requests to the read API that it does not fail (status 500 and above).
    api_availability: Level | None = None
    #: Requests to the read API answered in time.
    api_latency: Within | None = None

    def declared(self) -> dict[tuple[str, ...], Level]:
        """Every level by its path under ``service_levels``, in the order declared here."""
        named = {
            ("delivery",): self.delivery,
            ("lag",): self.lag,
            ("api_availability",): self.api_availability,
            ("api_latency",): self.api_latency,
        }
        return {
            **{("freshness", sink): level for sink, level in self.freshness.items()},
            **{path: level for path, level in named.items() if level is not None},
        }
