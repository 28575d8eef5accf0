"""Requests through the API gateway, and exposures to experiments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.lateness import Lateness
from loadgen.rows import FLAGS, REQUESTS, Rows, blank
from loadgen.timeline import Timeline
from loadgen.world import World, choose

Ints = npt.NDArray[np.int64]

SIGNED_IN = 0.6
CLIENT_ERRORS = 0.025
HIT_SPEED = 0.15  # latency of a cache hit, as a share of the route's

_PATH = np.array(v.ROUTE_PATH)
_METHOD = np.array([route.method for route in v.ROUTES])
_WEIGHT = [route.weight for route in v.ROUTES]
_LOG_MEDIAN = np.log([route.median_us for route in v.ROUTES])
_SIGMA = np.array([route.sigma for route in v.ROUTES])
_HIT = np.array([route.hit for route in v.ROUTES])
_ERROR = np.array([route.error for route in v.ROUTES])
_SIZE = np.array([route.size for route in v.ROUTES], np.float64)
_FINE = np.array([200, 201, 200, 200, 204, 200, 204])  # by method
_CLIENT = np.array([404, 400, 401, 429, 409])
_SERVER = np.array([500, 503, 502, 504])


def requests(
    world: World,
    timeline: Timeline,
    late: Lateness,
    rng: np.random.Generator,
    send: Ints,
) -> Rows:
    """One request sent at each of these simulated µs; late ones happened before."""
    n = len(send)
    rows = blank(REQUESTS, n, rng)
    if not n:
        return rows
    rows["send"] = send
    rows["at"] = timeline.event_ms(send - late.delays(rng, 1.0, n))
    region = timeline.regions(rng, n, int(send[0]))
    rows["region"] = region
    rows["tenant"] = region * v.TENANTS_PER_REGION + choose(rng.random(n), v.TENANT_WEIGHTS)
    route = choose(rng.random(n), _WEIGHT)
    rows["route"] = route
    hit = rng.random(n) < _HIT[route]
    noise = rng.standard_normal(n)
    latency = np.exp(_LOG_MEDIAN[route] + _SIGMA[route] * noise)
    luck = rng.random(n)
    failed = luck < np.where(hit, 0.0, _ERROR[route])
    refused = ~failed & (luck > 1 - CLIENT_ERRORS)
    pick = rng.integers(0, 1 << 16, n)
    status = _FINE[_METHOD[route]]
    status[failed] = _SERVER[pick[failed] % len(_SERVER)]
    status[refused] = _CLIENT[pick[refused] % len(_CLIENT)]
    rows["status"], rows["hit"] = status, hit
    latency *= np.where(hit, HIT_SPEED, np.where(failed, 3.0, 1.0))
    rows["latency"] = np.maximum(latency, 150).astype(np.int64)
    rows["size"] = np.where(status >= 400, 180, _SIZE[route] * (0.6 + 0.8 * luck)).astype(np.int64)
    signed_in = rng.random(n) < SIGNED_IN
    rows["user"] = np.where(signed_in, world.visitors(rng, region), -1)
    return rows


_FLAG_VARIANTS = np.full((len(v.FLAGS), 4), -1)
_FLAG_EDGES = np.ones((len(v.FLAGS), 4))
for _i, _flag in enumerate(v.FLAGS):
    for _j, (_name, _weight) in enumerate(_flag.variants):
        _FLAG_VARIANTS[_i, _j] = v.VARIANTS.values.index(_name)
        _FLAG_EDGES[_i, _j:] = sum(weight for _, weight in _flag.variants[: _j + 1])


def exposures(
    world: World,
    timeline: Timeline,
    late: Lateness,
    rng: np.random.Generator,
    send: Ints,
) -> Rows:
    """One exposure sent at each of these simulated µs. A user always sees the same variant."""
    n = len(send)
    rows = blank(FLAGS, n, rng)
    if not n:
        return rows
    rows["send"] = send
    rows["at"] = timeline.event_ms(send - late.delays(rng, 1.0, n))
    user = world.visitors(rng, timeline.regions(rng, n, int(send[0])))
    rows["user"], rows["region"] = user, world.user_region[user]
    flag = rng.integers(0, len(v.FLAGS), n)
    rows["flag"] = flag
    rows["variant"] = _FLAG_VARIANTS[
        flag, (_share(user, flag)[:, None] >= _FLAG_EDGES[flag]).sum(1).clip(max=3)
    ]
    rows["reason"] = choose(rng.random(n), (0.2, 0.7, 0.08, 0.02))
    return rows


def _share(user: Ints, flag: Ints) -> npt.NDArray[np.float64]:
    """A number in [0, 1) that depends on user and flag only."""
    x = (user.astype(np.uint64) << np.uint64(8)) + flag.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(11)).astype(np.float64) / float(1 << 53)
