"""Sections ``view.*``: the aggregating views of topology.yaml, counted anew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs

from loadgen import vocabulary as v
from loadgen.ledger.facts import Facts, Lines
from loadgen.ledger.fold import Fold
from loadgen.ledger.sketch import buckets, quantiles
from loadgen.ledger.values import label
from loadgen.rows import Rows
from loadgen.world import World

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STEPS = ("page_view", "product_view", "cart_add", "checkout_started", "order_placed")
_STEP = np.array([STEPS.index(name) if name in STEPS else -1 for name in v.SESSION_TYPES])
_ORDER_PLACED = STEPS.index("order_placed")

Ints = npt.NDArray[np.int64]


def _floor(at: Ints, length: int) -> Ints:
    return at // length * length


class Views:
    """All views. Each keeps its groups; distinct users are kept as rows (group, user)."""

    def __init__(self, world: World) -> None:
        self._user_ids = world.user_ids
        sums = {"orders": "sum", "revenue": "sum"}
        self._revenue = Fold(["minute", "region", "currency"], sums)
        sums = {"lines": "sum", "units": "sum", "revenue": "sum"}
        self._categories = Fold(["minute", "region", "currency", "category"], sums)
        sums = {"payments": "sum", "amount": "sum"}
        self._payments = Fold(["minute", "type", "method"], sums)
        sums = {"requests": "sum", "errors": "sum", "cache_hits": "sum"}
        self._requests = Fold(["minute", "tenant", "route"], sums)
        self._latency = Fold(["minute", "tenant", "route", "bucket"], {"n": "sum"})
        self._active = Fold(["minute", "region", "user"])
        self._funnel = Fold(["hour", "region", "step", "user"], {"events": "sum"})
        self._exposed = Fold(["hour", "flag", "variant", "user"], {"exposures": "sum"})
        self._customers = Fold(["user", "day"], {"orders": "sum"})

    def sessions(self, facts: Facts) -> None:
        rows = facts.rows
        self._active.add(
            minute=_floor(rows["at"], MINUTE), region=rows["region"], user=rows["user"]
        )
        step = _STEP[rows["type"]]
        self._steps(rows[step >= 0], step[step >= 0])

    def _steps(self, rows: Rows, step: Ints) -> None:
        self._funnel.add(
            hour=_floor(rows["at"], HOUR),
            region=rows["region"],
            step=step,
            user=rows["user"],
            events=1,
        )

    def orders(self, facts: Facts, lines: Lines) -> None:
        rows = facts.rows[facts.rows["type"] == v.PLACED]
        self._revenue.add(
            minute=_floor(rows["at"], MINUTE),
            region=rows["region"],
            currency=rows["currency"],
            orders=1,
            revenue=rows["total"],
        )
        self._steps(rows, np.full(len(rows), _ORDER_PLACED))
        self._customers.add(user=rows["user"], day=_floor(rows["at"], DAY), orders=1)
        self._categories.add(
            minute=_floor(lines.at, MINUTE),
            region=lines.region,
            currency=facts.rows["currency"][lines.order],
            category=facts.world.product_category[lines.product],
            lines=1,
            units=lines.quantity,
            revenue=lines.quantity * lines.price,
        )

    def payments(self, facts: Facts) -> None:
        rows = facts.rows
        self._payments.add(
            minute=_floor(rows["at"], MINUTE),
            type=rows["type"],
            method=rows["method"],
            payments=1,
            amount=rows["amount"],
        )

    def requests(self, facts: Facts) -> None:
        rows = facts.rows
        minute = _floor(rows["at"], MINUTE)
        route = np.array(v.ROUTE_PATH)[rows["route"]]
        self._requests.add(
            minute=minute,
            tenant=rows["tenant"],
            route=route,
            requests=1,
            errors=(rows["status"] >= 500).astype(np.int64),
            cache_hits=rows["hit"].astype(np.int64),
        )
        self._latency.add(
            minute=minute,
            tenant=rows["tenant"],
            route=route,
            bucket=buckets(rows["latency"]),
            n=1,
        )

    def flags(self, facts: Facts) -> None:
        rows = facts.rows
        self._exposed.add(
            hour=_floor(rows["at"], HOUR),
            flag=rows["flag"],
            variant=rows["variant"],
            user=rows["user"],
            exposures=1,
        )

    def sections(self) -> dict[str, pl.DataFrame]:
        """All views' sections, in the ledger's format; a view without rows is an empty table."""
        region = label("region", v.REGIONS)
        users = pl.len().cast(pl.Int64).alias("users")
        currency = label("currency", v.CURRENCIES)
        revenue = self._revenue.frame().with_columns(region, currency)
        categories = self._categories.frame().with_columns(
            region, currency, label("category", v.CATEGORIES)
        )
        payments = self._payments.frame().with_columns(
            label("type", v.PAYMENT_TYPES), label("method", v.METHODS)
        )
        by = ["minute", "tenant", "route"]
        latency = quantiles(self._latency.frame(), by, {"p50": 0.5, "p95": 0.95, "p99": 0.99})
        requests = self._requests.frame().join(latency, on=by, how="left")
        active = self._active.frame().group_by("minute", "region").agg(users)
        funnel = self._funnel.frame().group_by("hour", "region", "step")
        exposed = self._exposed.frame().group_by("hour", "flag", "variant")
        sections = {
            "revenue_by_minute": revenue,
            "revenue_by_category": categories,
            "payments_by_minute": payments,
            "requests_by_minute": requests.with_columns(
                label("tenant", v.TENANTS), label("route", v.PATHS)
            ),
            "active_users_by_minute": active.with_columns(region),
            "funnel_by_hour": funnel.agg(pl.col("events").sum(), users).with_columns(
                region, label("step", STEPS)
            ),
            "exposures_by_hour": exposed.agg(pl.col("exposures").sum(), users).with_columns(
                label("flag", v.FLAG_NAMES), label("variant", v.VARIANTS)
            ),
            "customer_days": self._customers.frame().select(
                label("user", self._user_ids).alias("user_id"), "day", "orders"
            ),
        }
        integers = cs.integer().cast(pl.Int64)
        return {
            f"view.{name}": frame.with_columns(integers).sort(frame.columns[:2])
            for name, frame in sections.items()
        }
