"""What may be asked of the views: metrics, funnels and cohorts, declared by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.topology.base import Model, Name

Share = Annotated[float, Field(gt=0, lt=1)]


class Objective(Model):
    """The service level: ``target`` of what happens shows in the metric within ``freshness_s``."""

    freshness_s: Annotated[float, Field(gt=0)]
    target: Share = 0.99


class Measure(Model):
    """How a metric's value comes from a view's columns. It has one form:

    - ``sum``: of a column; ``count``: the same of a counter, whose sums are whole numbers;
    - ``distinct``: how many different values a ``uniq`` state has seen;
    - ``quantile``: of a ``quantiles`` state, at ``levels``, which the state must have;
    - ``ratio``: the sum of one column by that of another.
    """

    sum: Name | None = None
    count: Name | None = None
    distinct: Name | None = None
    quantile: Name | None = None
    levels: tuple[Share, ...] = ()
    ratio: tuple[Name, Name] | None = None

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms it has, of which there must be one."""
        named = ("sum", "count", "distinct", "quantile", "ratio")
        return tuple(name for name in named if getattr(self, name) is not None)

    @property
    def kind(self) -> str:
        """The form's name."""
        return self.forms[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in the order in which they are declared."""
        value = getattr(self, self.kind)
        return value if isinstance(value, tuple) else (value,)


class Metric(Model):
    """One number over time. ``time`` is the view's time column, whose grain is the least step.

    ``dimensions`` are the columns it may be split and filtered by. ``where`` always holds: a metric
    of money names its currency there, since amounts of two are never added. ``tenant`` is the
    column that a caller's tenant filters; without it a caller with a tenant gets no answer.
    """

    view: Name
    time: Name
    measure: Measure
    dimensions: tuple[Name, ...] = ()
    where: dict[Name, str] = Field(default_factory=dict)
    tenant: Name | None = None
    unit: str = ""
    doc: str = ""
    owner: str = ""
    objective: Objective | None = None


class Funnel(Model):
    """Steps that people take one after the other: ``value`` of each, by the column ``step``."""

    view: Name
    time: Name
    step: Name
    steps: Annotated[tuple[str, ...], Field(min_length=2)]
    value: Name
    dimensions: tuple[Name, ...] = ()
    tenant: Name | None = None
    doc: str = ""
    owner: str = ""


class Cohorts(Model):
    """Who came back: people by the first period in which ``id`` is seen, and in which later ones.

    ``time`` is the view's column of periods; one row of the view is one person in one period.
    """

    view: Name
    time: Name
    id: Name
    periods: Annotated[int, Field(ge=1, le=366)] = 30
    tenant: Name | None = None
    doc: str = ""
    owner: str = ""
