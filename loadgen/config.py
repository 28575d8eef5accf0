"""What to generate: one typed, validated object. Everything that decides a byte is in here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Event time that passes per event when nothing asks for another pace: 10,000 events are 1 second.
DEFAULT_EVENT_RATE = 10_000.0
MIN_CHUNK = 1_000
CHUNKS_A_DAY = 288

Share = Annotated[float, Field(ge=0, le=1)]


class Mix(BaseModel):
    """Shares of the records by stream. Requests take what the others leave.

    Payments are not asked for: they follow from orders (about half as many).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: Share = 0.37
    orders: Share = 0.08
    flags: Share = 0.04
    catalog: Share = 0.02

    @model_validator(mode="after")
    def _leaves_room(self) -> Mix:
        asked = self.sessions + 1.6 * self.orders + self.flags + self.catalog
        if asked > 0.98:
            raise ValueError(
                f"mix: sessions + 1.6 x orders (their payments) + flags + catalog is {asked:.2f}; "
                "keep it at or below 0.98, requests take the rest"
            )
        return self


class LoadConfig(BaseModel):
    """One run of the generator.

    ``rate`` is pacing only and changes no byte by itself. Event time starts at ``start_ms`` and
    advances by ``compression / event_rate`` seconds an event. Where either is ``None``,
    :func:`resolve` chooses: a run without an explicit start is a live one and its event time keeps
    up with the wall clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Annotated[int, Field(ge=1)] | None = None  # records to send; None: until stopped
    rate: Annotated[float, Field(ge=0)] = 0.0  # records/s by the wall clock; 0: as fast as it goes
    seed: Annotated[int, Field(ge=0)] = 1
    users: Annotated[int, Field(ge=6, le=9_999_999)] = 50_000
    products: Annotated[int, Field(ge=24, le=999_999)] = 2_000
    mix: Mix = Mix()

    start_ms: Annotated[int, Field(ge=0)] | None = None  # event time of the first event
    event_rate: Annotated[float, Field(gt=0)] | None = None  # records per second of event time
    compression: Annotated[float, Field(gt=0, le=1e6)] = 1.0  # > 1: event time passes faster
    tempo: Annotated[float, Field(gt=0)] = 1.0  # < 1: visits and orders take less time

    late_ratio: Share = 0.03  # share of events that arrive late
    late_s: Annotated[float, Field(gt=0)] = 5.0  # how late, mean of an exponential distribution
    duplicate_ratio: Annotated[float, Field(ge=0, le=0.25)] = 0.005  # sent again, same event_id
    bad_ratio: Annotated[float, Field(ge=0, le=0.25)] = 0.0  # damaged records
    incidents: Annotated[int, Field(ge=0, le=500)] = 0  # see ``loadgen.incidents``

    chunk_events: Annotated[int, Field(ge=MIN_CHUNK, le=1_000_000)] = 32_768

    @model_validator(mode="after")
    def _lasts(self) -> LoadConfig:
        if self.incidents and self.events is None:
            raise ValueError("incidents are spread over the run: say how many events it has")
        return self

    @property
    def reproducible(self) -> bool:
        """Whether every byte follows from this object (see :func:`resolve`)."""
        return self.start_ms is not None and self.event_rate is not None


def days(config: LoadConfig, number: float) -> LoadConfig:
    """The run spread over so many days of event time, with visits, orders and late arrivals that
    take as long in event time as they do in a live run."""
    if config.events is None:
        raise ValueError("events are spread over the days: say how many there are")
    event_rate = config.event_rate or DEFAULT_EVENT_RATE
    compression = number * 86_400 * event_rate / config.events
    # Who is awake is settled by chunk: no chunk is longer than some minutes of a day.
    chunk = max(MIN_CHUNK, min(config.chunk_events, int(config.events / number / CHUNKS_A_DAY)))
    return config.model_copy(
        update={
            "chunk_events": chunk,
            "event_rate": event_rate,
            "compression": compression,
            "tempo": config.tempo / compression,
            "late_s": config.late_s / compression,
        }
    )


def resolve(config: LoadConfig, now_ms: int) -> LoadConfig:
    """Fill in start and event rate.

    Explicit start: the event rate is a constant, so that ``rate`` changes nothing. No start, and a
    ``rate``: live, event time starts now and follows the schedule. No start, as fast as it goes:
    the run's event time ends about now.
    """
    event_rate = config.event_rate
    if event_rate is None:
        live = config.start_ms is None and config.rate > 0
        event_rate = config.rate if live else DEFAULT_EVENT_RATE
    start = config.start_ms
    if start is None:
        start = now_ms
        if config.rate == 0 and config.events is not None:
            start -= round(config.events / event_rate * config.compression * 1000)
    return config.model_copy(update={"start_ms": max(start, 0), "event_rate": event_rate})
