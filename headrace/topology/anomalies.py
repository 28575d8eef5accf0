"""What is watched for anomalies: declared metrics, and whom an alert is for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headrace.topology.base import Model, Name

Minutes = Annotated[int, Field(ge=1, le=40_320)]


class AlertGroup(Model):
    """What is one alert: series that go out of bounds within ``within_minutes`` of its first one.

    Metrics that one cause shows in belong to one group. Past ``daily_cap`` alerts of a UTC day the
    group is silent; the next alert says how many there were.
    """

    owner: Annotated[str, Field(min_length=1)]
    severity: Literal["critical", "warning", "info"] = "warning"
    within_minutes: Minutes = 15
    daily_cap: Annotated[int, Field(ge=1)] = 20
    doc: str = ""


class Watch(Model):
    """A metric, a series for each combination of the dimensions ``by`` of it, and what is too far.

    Out of bounds is a series whose smoothed deviation passes ``width`` of its standard deviations
    and whose smoothed value differs by ``change`` (0.2 is a fifth) from what was expected. It is an
    anomaly after ``minutes`` of that in a row.
    """

    metric: Name
    by: tuple[Name, ...] = ()
    where: dict[Name, str] = Field(default_factory=dict)
    #: Which level of a metric of quantiles.
    level: Annotated[float, Field(gt=0, lt=1)] | None = None
    group: Name
    direction: Literal["up", "down", "both"] = "both"
    width: Annotated[float, Field(ge=2, le=100)] = 5.0
    change: Annotated[float, Field(ge=0)] = 0.2
    #: Of the deviations: more finds less in series of few events, later.
    smooth_minutes: Minutes = 12
    minutes: Minutes = 3
    #: Series beyond so many, by first appearance, are not watched.
    max_series: Annotated[int, Field(ge=1, le=10_000)] = 500


class Anomalies(Model):
    """Seasonal bands about metrics by minute, and the alerts that come of leaving them.

    ``season_minutes`` is a day (1,440) or a week (10,080), its profile has slots of
    ``slot_minutes``. A series is only learned from for its first ``learn_seasons``; half of what
    the profile knows is from the last ``memory_seasons``. A minute is judged ``lateness_minutes``
    after its end, when what came late is in. What lasts for ``adopt_minutes`` is how it is from
    then on.
    """

    season_minutes: Annotated[int, Field(ge=60, le=40_320)] = 1_440
    slot_minutes: Annotated[int, Field(ge=1, le=60)] = 10
    learn_seasons: Annotated[int, Field(ge=2, le=100)] = 2
    memory_seasons: Annotated[float, Field(ge=1, le=365)] = 7.0
    lateness_minutes: Annotated[int, Field(ge=0, le=1_440)] = 2
    adopt_minutes: Minutes = 360
    groups: dict[Name, AlertGroup] = Field(default_factory=dict)
    watches: dict[Name, Watch] = Field(default_factory=dict)
