"""The endless stream of events, chunk by chunk, the same for the same configuration.

A chunk is a window of simulated time with a fixed number of records. Visits, orders, price changes
and repeats that are due in it come first; requests fill what is left, so that the rate holds
exactly. Randomness is seeded by (seed, chunk): pacing can't change it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from loadgen import damage
from loadgen.agenda import Agenda
from loadgen.chunk import Chunk, Packer
from loadgen.config import LoadConfig
from loadgen.incidents import Incidents, plan
from loadgen.lateness import Lateness
from loadgen.orders import EVENTS_PER_ORDER, lives
from loadgen.requests import exposures, requests
from loadgen.rows import (
    CATALOG,
    DUPLICATE,
    FLAGS,
    ORDERS,
    PAYMENTS,
    REQUESTS,
    SESSIONS,
    STREAMS,
    Rows,
)
from loadgen.shelves import Shelves
from loadgen.timeline import Timeline
from loadgen.visits import CHECKOUTS_PER_ORDER, MEAN_STEPS, visits
from loadgen.wiring import Wiring, project
from loadgen.world import World

Ints = npt.NDArray[np.int64]

#: The first visits and orders are quick, later ones take their time: a journey that begins t
#: seconds in is scaled by t / RAMP_S, up to 1. So the mix is right from the first second on.
RAMP_S = 300.0
NEAR_REPEATS = 0.5  # share of the duplicates that come within the chunk; the rest come later
REPEAT_AFTER_S = 2.0
#: A repeat comes at most so many records after this chunk: a pipeline can remember only so much.
REPEAT_WITHIN = 100_000


def generate(
    config: LoadConfig, wiring: Wiring | None = None, world: World | None = None
) -> Iterator[Chunk]:
    """Yield chunks until ``config.events`` records are out (for ever when that is None).

    ``config`` must be resolved (``loadgen.config.resolve``): ValueError otherwise. A run of fewer
    events is a prefix of a longer one. ``wiring`` is the project's own topology unless given;
    ``world`` saves building it twice.
    """
    world = world or World(config)
    packer = Packer(world, wiring or project())
    left = config.events
    first = 0
    for rows in windows(config, world):
        chunk = packer.pack(first, rows, left)
        yield chunk
        first += len(chunk)
        if left is not None:
            left -= len(chunk)
            if left == 0:
                return


def windows(config: LoadConfig, world: World) -> Iterator[dict[str, Rows]]:
    """The events of each chunk as rows by stream, in no particular order, without end."""
    if config.start_ms is None or config.event_rate is None:
        raise ValueError("start_ms and event_rate must be set: see loadgen.config.resolve")
    yield from _Simulation(config, world).windows()


class _Simulation:
    def __init__(self, config: LoadConfig, world: World) -> None:
        assert config.start_ms is not None
        assert config.event_rate is not None
        self._config = config
        self._world = world
        self._timeline = Timeline(config.start_ms, config.compression)
        self._late = Lateness(config.late_ratio, config.late_s)
        self._shelves = Shelves(world)
        self._window_us = max(round(config.chunk_events / config.event_rate * 1e6), 1)
        self._repeat_within_us = self._window_us * REPEAT_WITHIN / config.chunk_events
        self._agendas = {stream: Agenda(stream, self._window_us) for stream in STREAMS}
        self._incidents = Incidents(plan(config))
        self._visits = 0
        self._orders = 0

    def windows(self) -> Iterator[dict[str, Rows]]:
        rng = np.random.default_rng([self._config.seed, 0])
        yield {CATALOG: self._shelves.created(self._timeline, rng)}
        window = 0
        while True:
            yield self._window(window, np.random.default_rng([self._config.seed, window + 1]))
            window += 1

    def _window(self, window: int, rng: np.random.Generator) -> dict[str, Rows]:
        size, mix = self._config.chunk_events, self._config.mix
        begin = window * self._window_us
        end = begin + self._window_us
        fresh = 1 - self._config.duplicate_ratio - self._config.bad_ratio

        def quota(share: float) -> int:
            """This window's part of a share, without losing fractions over the windows."""
            per_window = share * fresh * size
            return int(per_window * (window + 1)) - int(per_window * window)

        def moments(n: int) -> Ints:
            return np.sort(rng.integers(begin, end, n))

        placed = quota(mix.orders / EVENTS_PER_ORDER)
        begun = quota(
            (mix.sessions - mix.orders / EVENTS_PER_ORDER * CHECKOUTS_PER_ORDER) / MEAN_STEPS
        )
        self._journeys(rng, moments(begun), placed)
        self._agendas[CATALOG].add(
            self._shelves.repriced(self._timeline, self._late, rng, moments(quota(mix.catalog)))
        )
        self._agendas[FLAGS].add(
            exposures(self._world, self._timeline, self._late, rng, moments(quota(mix.flags)))
        )

        rows = {stream: agenda.take(window) for stream, agenda in self._agendas.items()}
        near = round(size * self._config.duplicate_ratio * NEAR_REPEATS)
        bad = round(size * self._config.bad_ratio)
        fill = max(size - sum(map(len, rows.values())) - near - bad, 0)
        asked = requests(self._world, self._timeline, self._late, rng, moments(fill))
        rows[REQUESTS] = np.concatenate([rows[REQUESTS], asked])
        rows = {stream: self._incidents.strike(stream, some) for stream, some in rows.items()}
        return self._disturb(rng, rows, end, near, bad)

    def _journeys(self, rng: np.random.Generator, starts: Ints, placed: int) -> None:
        if not len(starts):
            return
        ramp = np.minimum(starts / (RAMP_S * 1e6 * self._config.tempo) + 1e-5, 1.0)
        who_when = (self._world, self._timeline, self._late, rng)
        steps, carts = visits(
            *who_when,
            starts=starts,
            scale=ramp * self._config.tempo,
            base_cents=self._shelves.base_cents,
            first_id=self._visits,
            orders=placed,
        )
        self._visits += len(starts)
        self._agendas[SESSIONS].add(steps)
        never_paid = self._incidents.never_paid(
            self._timeline.event_ms(carts.at_us), self._orders + np.arange(len(carts.user))
        )
        orders, payments = lives(
            *who_when, carts=carts, first_id=self._orders, never_paid=never_paid
        )
        self._orders += len(carts.user)
        self._incidents.placing(orders)
        self._agendas[ORDERS].add(orders)
        self._agendas[PAYMENTS].add(payments)

    def _disturb(
        self, rng: np.random.Generator, rows: dict[str, Rows], end: int, near: int, bad: int
    ) -> dict[str, Rows]:
        """Add duplicates and damaged records; put far duplicates on the agendas."""
        streams = [stream for stream in STREAMS if len(rows[stream])]
        sizes = np.array([len(rows[stream]) for stream in streams])
        edges = np.cumsum(sizes)
        far = round(self._config.chunk_events * self._config.duplicate_ratio) - near
        picks = rng.integers(0, edges[-1], near + far + bad)
        which = np.searchsorted(edges, picks, side="right")
        use = np.repeat(np.arange(3), [near, far, bad])
        for i, stream in enumerate(streams):
            mine = which == i
            copies = rows[stream][picks[mine] - (edges[i] - sizes[i])]
            kind = use[mine]
            again, later, broken = (copies[kind == k] for k in range(3))
            again["mark"] = DUPLICATE
            again["send"] += ((end - again["send"]) * rng.random(len(again))).astype(np.int64)
            later["mark"] = DUPLICATE
            after = rng.exponential(REPEAT_AFTER_S * 1e6, len(later))
            later["send"] = end + np.minimum(after, self._repeat_within_us).astype(int)
            self._agendas[stream].add(later)
            broken["mark"] = damage.marks(rng, len(broken))
            broken["r0"] ^= np.uint64(0x5555)  # an event of its own
            rows[stream] = np.concatenate([rows[stream], again, broken])
        return rows
