"""The documents of the analytics routes, for the API's description."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Position = Annotated[
    dict[str, list[int]],
    Field(
        description="The next offset of each partition, by topic: all before it is in the answer.",
        examples=[{"shop.orders": [120, 98, 131, 104]}],
    ),
]
EpochMs = Annotated[int, Field(description="Milliseconds since 1970", examples=[1772366400000])]
#: A pair: pydantic's tuples are described in a way that OpenAPI does not know.
Point = Annotated[list[int | float | None], Field(min_length=2, max_length=2)]
Labels = Annotated[dict[str, str], Field(examples=[{"region": "apac"}])]


class Described(BaseModel):
    """One metric."""

    name: str = Field(examples=["revenue"])
    doc: str
    unit: str = Field(examples=["EUR"])
    owner: str
    dimensions: list[str] = Field(examples=[["region"]])
    step_s: int = Field(description="The least step", examples=[60])
    kind: str = Field(examples=["sum"])


class Metrics(BaseModel):
    """All metrics."""

    metrics: list[Described]


class Span(BaseModel):
    """The range that was answered: whole steps."""

    model_config = ConfigDict(populate_by_name=True)

    from_: EpochMs = Field(alias="from")
    to: EpochMs


class OneSeries(BaseModel):
    """A series for each value of the dimensions, and each level of a quantile."""

    labels: Labels
    points: list[Point] = Field(
        description="Start of the step in ms, and value; null where there is none",
        examples=[[[1772366400000, 1234.5], [1772366460000, 0.0]]],
    )


class Series(Span):
    """A metric over time."""

    metric: str = Field(examples=["revenue"])
    unit: str = Field(examples=["EUR"])
    step_s: int = Field(examples=[60])
    series: list[OneSeries]
    position: Position


class RankedRow(BaseModel):
    """One value of the dimensions."""

    labels: Labels
    value: float | None


class Top(Span):
    """The values of a dimension with the greatest value of a metric."""

    metric: str
    unit: str
    rows: list[RankedRow]
    position: Position


class Step(BaseModel):
    """One step of a funnel; a share is null where nobody was."""

    step: str = Field(examples=["cart_add"])
    value: float
    of_first: float | None
    of_previous: float | None


class Group(BaseModel):
    """The steps of one value of the dimensions."""

    labels: Labels
    steps: list[Step]


class Funnel(Span):
    """A funnel: its steps, or groups of steps where it was asked for by a dimension."""

    funnel: str
    steps: list[Step] | None = None
    groups: list[Group] | None = None
    position: Position


class Period(BaseModel):
    """Who of a cohort was there so many periods after its first."""

    period: int
    users: int
    share: float


class Cohort(BaseModel):
    """People whose first period this is."""

    cohort: str = Field(examples=["2026-03-01"])
    size: int
    periods: list[Period]


class Cohorts(Span):
    """Cohorts in order of their start."""

    name: str
    period_s: int
    cohorts: list[Cohort]
    position: Position
