"""Incidents: things that go wrong in the simulated shop, when, where and how much.

What an incident does to an event follows from the event's own time and random bits. It draws
nothing from the generator's randomness, so that a run without incidents has the same bytes as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.config import LoadConfig
from loadgen.rows import FLAGS, FRESH, ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows
from loadgen.timeline import DAY_S, Timeline

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ORDERS_DROP, PAYMENT_FAILURES, LATENCY_STEP = "orders_drop", "payment_failures", "latency_step"
ERROR_BURST, TRAFFIC_FLOOD, REGION_OUTAGE = "error_burst", "traffic_flood", "region_outage"


class _Kind(NamedTuple):
    """What it happens to (a dimension, or everything), and the range of its size."""

    where: str | None
    smallest: float
    largest: float


#: The size is a share of the orders, requests or events struck; of a latency step the factor, of a
#: flood how many requests come on top of each.
KINDS = {
    ORDERS_DROP: _Kind(None, 0.4, 0.9),
    PAYMENT_FAILURES: _Kind(None, 0.25, 0.8),
    LATENCY_STEP: _Kind("route", 1.8, 4.0),
    ERROR_BURST: _Kind("route", 0.05, 0.4),
    TRAFFIC_FLOOD: _Kind("route", 1.0, 4.0),
    REGION_OUTAGE: _Kind("region", 0.6, 1.0),
}
#: Of the time that each incident has to itself: its beginning and its length.
BEGINS, LASTS = (0.05, 0.3), (0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Incident:
    """The ground truth of one: event times in ms, ``where`` as dimension and value."""

    kind: str
    start_ms: int
    end_ms: int
    where: dict[str, str]
    size: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def plan(config: LoadConfig) -> tuple[Incident, ...]:
    """``config.incidents`` of them over the run's last day of event time, none at the same time.

    A run shorter than two days has them in its second half. All kinds take turns. ``config`` must
    be resolved; its number of events says how long the run is.
    """
    if not config.incidents:
        return ()
    assert config.start_ms is not None
    assert config.event_rate is not None
    assert config.events is not None
    timeline = Timeline(config.start_ms, config.compression)
    last_us = round(config.events / config.event_rate * 1e6)
    begin, end = timeline.event_ms(np.array([0, last_us])).tolist()
    begin = max(end - round(DAY_S * 1000), (begin + end) // 2)
    rng = np.random.default_rng([config.seed, 0x1BAD])
    kinds = [list(KINDS)[i] for i in rng.permutation(config.incidents) % len(KINDS)]
    slot = (end - begin) / config.incidents
    planned = []
    for i, kind in enumerate(kinds):
        start = begin + (i + rng.uniform(*BEGINS)) * slot
        until = start + rng.uniform(*LASTS) * slot
        chosen = KINDS[kind]
        where = {} if chosen.where is None else {chosen.where: _place(rng, chosen.where)}
        size = round(float(rng.uniform(chosen.smallest, chosen.largest)), 3)
        planned.append(Incident(kind, round(start), round(until), where, size))
    return tuple(planned)


def _place(rng: np.random.Generator, dimension: str) -> str:
    """A value of the dimension: what is used more has more incidents."""
    if dimension == "region":
        return str(rng.choice(v.REGIONS, p=v.REGION_WEIGHTS))
    weights = np.array([route.weight for route in v.ROUTES])
    return v.ROUTES[int(rng.choice(len(weights), p=weights / weights.sum()))].path


class Incidents:
    """Applies planned incidents to rows. Repeats of an event stay like the event."""

    def __init__(self, planned: Sequence[Incident]) -> None:
        self._by_kind = {
            kind: [(i, found) for i, found in enumerate(planned, 1) if found.kind == kind]
            for kind in KINDS
        }
        self._lost: Ints = np.zeros(0, np.int64)  # ids of orders that were never placed

    def never_paid(self, at_ms: Ints, orders: Ints) -> Mask:
        """Which of these orders, placed at about ``at_ms``, can't be paid."""
        found = np.zeros(len(orders), bool)
        for salt, incident in self._by_kind[PAYMENT_FAILURES]:
            found |= _during(at_ms, incident) & (_luck(orders, salt) < incident.size)
        return found

    def placing(self, orders: Rows) -> None:
        """Note which of these new orders get lost: no event of their lives will be sent."""
        placed = orders[orders["type"] == v.PLACED]
        lost = np.zeros(len(placed), bool)
        for salt, incident in self._by_kind[ORDERS_DROP] + self._by_kind[REGION_OUTAGE]:
            lost |= (
                _during(placed["at"], incident)
                & _in_region(placed, incident)
                & (_luck(placed["order"], salt) < incident.size)
            )
        self._lost = np.concatenate([self._lost, placed["order"][lost]])

    def strike(self, stream: str, rows: Rows) -> Rows:
        """The rows that leave instead of these."""
        if stream in (ORDERS, PAYMENTS):
            return rows[~np.isin(rows["order"], self._lost)] if len(self._lost) else rows
        if stream in (SESSIONS, REQUESTS, FLAGS):
            # A visit is lost as a whole, as far as the incident lasts.
            by = "session" if stream == SESSIONS else "r0"
            for salt, incident in self._by_kind[REGION_OUTAGE]:
                rows = rows[~(_in_region(rows, incident) & _struck(rows, incident, salt, by))]
        return self._requests(rows) if stream == REQUESTS else rows

    def _requests(self, rows: Rows) -> Rows:
        for salt, incident in self._by_kind[LATENCY_STEP]:
            slow = _on_route(rows, incident) & _struck(rows, incident, salt)
            rows["latency"][slow] = (rows["latency"][slow] * incident.size).astype(np.int64)
        for salt, incident in self._by_kind[ERROR_BURST]:
            failed = _on_route(rows, incident) & _struck(rows, incident, salt)
            rows["status"][failed], rows["hit"][failed], rows["size"][failed] = 503, False, 180
        for salt, incident in self._by_kind[TRAFFIC_FLOOD]:
            copied = rows[_on_route(rows, incident) & _fresh(rows, incident)]
            whole, part = divmod(incident.size, 1)
            times = int(whole) + (_luck(copied["r0"], salt) < part)
            more = np.repeat(copied, times)
            # Events of their own: other random bits.
            more["r0"] ^= np.arange(1, len(more) + 1, dtype=np.uint64) << np.uint64(20)
            rows = np.concatenate([rows, more])
        return rows


def _during(at_ms: Ints, incident: Incident) -> Mask:
    return (at_ms >= incident.start_ms) & (at_ms < incident.end_ms)


def _fresh(rows: Rows, incident: Incident) -> Mask:
    fresh: Mask = _during(rows["at"], incident) & (rows["mark"] == FRESH)
    return fresh


def _struck(rows: Rows, incident: Incident, salt: int, by: str = "r0") -> Mask:
    """Fresh rows of the incident's time, as many as its size says; all where that is above 1."""
    return _fresh(rows, incident) & (_luck(rows[by], salt) < incident.size)


def _in_region(rows: Rows, incident: Incident) -> Mask:
    if "region" not in incident.where:
        return np.ones(len(rows), bool)
    found: Mask = rows["region"] == v.REGIONS.index(incident.where["region"])
    return found


def _on_route(rows: Rows, incident: Incident) -> Mask:
    routes = [i for i, route in enumerate(v.ROUTES) if route.path == incident.where["route"]]
    return np.isin(rows["route"], routes)


def _luck(bits: npt.NDArray[Any], salt: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each: the same for the same bits and incident."""
    x = bits.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(11)).astype(np.float64) / float(1 << 53)
