"""Views and features that are declared instead of written: see docs/declared.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, FiniteFloat, StringConstraints, field_validator

from headrace.topology.base import KeyspaceName, Model, Name, TopicName
from headrace.topology.ring import Ring

#: SQL over the fields of a source's schema. Polars reads it recursively, so it has an end.
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[smhd]$")]
Level = Annotated[float, Field(gt=0, lt=1)]
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
#: Windows that an event may be in at a time.
MAX_HOPS = 1_000

AGGREGATES = (
    "count", "sum", "min", "max", "first", "last", "distinct", "quantiles", "top", "newest",
    "decayed", "histogram",
)  # fmt: skip


def span_ms(span: str) -> int:
    """``90s``, ``5m``, ``1h``, ``7d`` in milliseconds."""
    return int(span[:-1]) * UNIT_MS[span[-1]]


class Source(Model):
    """What of a topic is taken, and under which names.

    ``where`` keeps the events for which it is true. ``each`` names a list of records: its entries
    are rows then, and their fields ``<each>.<field>``. ``map`` gives expressions names, which stand
    beside the schema's fields.
    """

    where: Text | None = None
    each: str | None = None
    map: dict[Name, Text] = Field(default_factory=dict)


class Window(Model):
    """Windows of event time, one row each; the column ``name`` holds where a window begins.

    ``every`` alone: tumbling. With ``length``: sliding, a window of ``length`` begins each
    ``every``. ``calendar``: days, weeks (from Monday) or months of ``zone``. Without any of these
    (no ``window`` at all) there is one window, of all time.
    """

    name: Name = "window"
    every: Span | None = None
    length: Span | None = None
    calendar: Literal["day", "week", "month"] | None = None
    zone: str = "UTC"
    #: Taken only to say where sessions are declared.
    session: Any = None
    gap: Any = None


class Aggregate(Model):
    """One field: one aggregate of the rows that its sources give, nulls left out.

    - ``count``: of rows (``true``), or of the values of an expression;
    - ``sum``, ``min``, ``max`` of an expression;
    - ``first``, ``last``: by event time, then by offset; in Redis also of an object of expressions,
      kept as JSON;
    - ``distinct``: how many different values, within 2 %, or ``exact``;
    - ``quantiles``: at ``levels``, by a DDSketch of relative ``accuracy``;
    - ``top``: the ``n`` most frequent values, exactly;
    - ``newest``: the ``n`` values seen last;
    - ``decayed``: by ``by``, the sum of weights that halve each ``half_life_hours``;
    - ``histogram``: how many values lie at or below each of ``bounds``, above the one before it.

    ``where`` keeps rows for this field alone, ``from`` names the sources that feed it if not all.
    """

    count: Literal[True] | Text | None = None
    sum: Text | None = None
    min: Text | None = None
    max: Text | None = None
    first: Text | dict[Name, Text] | None = None
    last: Text | dict[Name, Text] | None = None
    distinct: Text | None = None
    quantiles: Text | None = None
    top: Text | None = None
    newest: Text | None = None
    decayed: Text | None = None
    histogram: Text | None = None

    exact: bool | None = None
    levels: tuple[Level, ...] | None = None
    accuracy: Annotated[float, Field(ge=0.001, le=0.1)] | None = None
    n: Annotated[int, Field(ge=1, le=10_000)] | None = None
    by: Text | None = None
    half_life_hours: Annotated[int, Field(ge=1)] | None = None
    landmark: AwareDatetime | None = None
    bounds: tuple[int | FiniteFloat, ...] | None = None

    where: Text | None = None
    from_: tuple[TopicName, ...] | None = Field(default=None, alias="from")
    doc: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The aggregates it has, of which there must be one."""
        return tuple(kind for kind in AGGREGATES if getattr(self, kind) is not None)

    @property
    def kind(self) -> str:
        """The aggregate's name."""
        return self.kinds[0]


class InClickHouse(Model):
    """A view's target, fed from the sources' raw tables.

    ``order_by`` is the window and the keys, in this order, if not given. ``low_cardinality`` names
    keys of text that have few values; enums are so by themselves.
    """

    order_by: tuple[Name, ...] = ()
    partition_by: str | None = None
    low_cardinality: tuple[Name, ...] = ()


class InRedis(Model):
    """A hash by key; a field that is a sorted set stands in ``<keyspace>:<field>``.

    A declaration of one field that is a sorted set has it in ``keyspace`` itself. ``rings`` keep
    counts and sums of the last slots of time instead of all time.
    """

    keyspace: KeyspaceName | None = None
    rings: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]+$")], Ring] = Field(
        default_factory=dict
    )


class Keep(Model):
    """Where it is kept: in one of the stores or in both."""

    clickhouse: InClickHouse | None = None
    redis: InRedis | None = None


class Declared(Model):
    """A view or feature: sources, key, window, fields, and where it is kept."""

    doc: str = ""
    owner: str = ""
    from_: Annotated[dict[TopicName, Source], Field(alias="from", min_length=1)]
    key: tuple[Name, ...] = ()
    #: The field of event time.
    time: Name = "occurred_at"
    window: Window | None = None
    fields: Annotated[dict[Name, Aggregate], Field(min_length=1)]
    keep: Keep
    retention_hours: Annotated[int, Field(ge=1)] | None = None

    @field_validator("keep", mode="before")
    @classmethod
    def _named(cls, keep: Any) -> Any:
        """``keep: redis`` and ``keep: [clickhouse, redis]`` for stores with nothing to say."""
        names = [keep] if isinstance(keep, str) else keep
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return {name: {} for name in names}
        return keep

    @field_validator("from_", mode="before")
    @classmethod
    def _topics(cls, sources: Any) -> Any:
        """``from: a.topic`` and ``from: {a.topic: }`` for a topic that is taken as it is."""
        if isinstance(sources, str):
            return {sources: {}}
        if isinstance(sources, Mapping):
            return {topic: {} if source is None else source for topic, source in sources.items()}
        return sources
