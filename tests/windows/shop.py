"""The example on real services, events for it, and what must come of them by plain Python."""

from __future__ import annotations

import random
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import orjson

from headrace import topology as topologies
from headrace.cli.apply import apply_all
from headrace.client.send import EventProducer
from headrace.endpoints import Endpoints
from headrace.lag import LagReader
from headrace.workers import Workers
from tests.serve.server import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "visits"
START_MS = 1_767_225_600_000
HOUR = 3_600_000
GAP, DAY = 1_800_000, 24 * HOUR
Row = dict[str, Any]

CURRENT = """
SELECT argMaxMerge(user_id) AS user, argMaxMerge(device) AS kind,
       toUnixTimestamp64Milli(argMaxMerge(started_at)) AS start,
       argMaxMerge(length_ms) AS length, argMaxMerge(events) AS n,
       argMaxMerge(conversions) AS converted
FROM {db}.current_visits GROUP BY session_id HAVING NOT argMaxMerge(retracted)"""
LINES = """
SELECT any(order_id) AS o, any(product_id) AS p, any(quantity) AS q, any(category) AS c,
       any(list_price) AS price
FROM {db}.order_lines GROUP BY pair_id HAVING sum(if(retracted, -1, 1)) = 1"""
TOUCHES = """
SELECT any(order_id) AS o, any(product_id) AS p,
       toUnixTimestamp64Milli(assumeNotNull(any(matched_at))) AS at
FROM {db}.touches GROUP BY pair_id HAVING sum(if(retracted, -1, 1)) = 1"""
BY_CATEGORY = """
SELECT category, sum(lines) AS l, sum(units) AS u, sum(discount) AS d
FROM {db}.lines_by_category GROUP BY category HAVING l != 0"""


def write(root: Path, name: str) -> None:
    """The example's files into a folder, its topics, database and keys by ``name``."""
    shutil.copytree(EXAMPLE / "schemas", root / "schemas")
    shutil.copy(EXAMPLE / "raw_tables.py", root)
    text = (EXAMPLE / "topology.yaml").read_text()
    text = text.replace("shop.", f"{name}.").replace("name: visits", f"name: {name}")
    text = text.replace("database: visits", f"database: {name}")
    (root / "topology.yaml").write_text(f"{text}\nredis: {{prefix: {name}}}\n")


def import_path(root: Path) -> str:
    """PYTHONPATH of its workers."""
    return f"{ROOT}:{root}"


class Shop:
    """The example in ``root``, applied."""

    def __init__(self, root: Path, where: Endpoints) -> None:
        self.root, self.where = root, where
        self.topology = topologies.load(root)
        self.name = self.topology.name
        self._client: Any = clickhouse_connect.get_client(dsn=where.clickhouse)

    @classmethod
    def applied(cls, root: Path, where: Endpoints) -> Shop:
        """One of its own."""
        write(root, f"w{uuid.uuid4().hex[:8]}")
        apply_all(root, topologies.load(root), where)
        return cls(root, where)

    def workers(self, count: int) -> Workers:
        """Workers that are started again when they die, as often as they do."""
        env = {"PYTHONPATH": import_path(self.root)}
        log = self.root / "workers.log"
        return Workers(self.root, count, log_file=log, restarts_in_a_row=1_000_000, env=env)

    def send(self, topic: str, events: list[Row]) -> None:
        """Send events to a topic and wait for the broker."""
        name = f"{self.name}.{topic}"
        producer = EventProducer(self.root, self.topology, name, self.where.kafka, _no_ring)
        assert producer.send(map(orjson.dumps, events), _wrong).sent == len(events)

    def behind(self) -> int:
        """Records that are not applied yet, those that were emitted too."""
        tps = self.topology.topic_partitions(self.topology.topics)
        with LagReader(self.where.kafka, self.name, tps) as reader:
            return sum(lag.behind for lag in reader.read().values())

    def rows(self, select: str) -> list[Row]:
        """What ClickHouse answers; ``{db}`` is the database."""
        return [
            dict(row) for row in self._client.query(select.format(db=self.name)).named_results()
        ]


def compared(shop: Shop, made: Made) -> dict[str, tuple[list[Any], list[Any]]]:
    """What stands and what must stand, of everything that is declared."""
    found = lines(made.orders, made.catalog)
    return {
        "visits": (_told(shop.rows(CURRENT)), visits(made.sessions)),
        "order_lines": (_told(shop.rows(LINES)), found),
        "touches": (_told(shop.rows(TOUCHES)), touches(made.orders, made.sessions)),
        "lines_by_category": (_told(shop.rows(BY_CATEGORY)), _by_category(found)),
    }


class Made:
    """Events of some hours, in the order in which they are sent: late, mixed up, some twice."""

    def __init__(self, seed: int, orders: int) -> None:
        self._dice = random.Random(seed)
        self._ids = 0
        hours = 20 * HOUR  # less than keep_hours: nothing is past the bound
        products = [f"p{i}" for i in range(12)]
        self.catalog = [self._card(p, hours) for p in products for _ in range(6)]
        self.sessions: list[Row] = []
        self.orders: list[Row] = []
        for _ in range(orders):
            user, at = f"u{self._dice.randrange(15)}", START_MS + self._dice.randrange(hours)
            chosen = self._dice.sample(products, 2)
            for product in chosen:
                for _ in range(self._dice.randrange(5)):
                    self.sessions.append(self._action(user, product, at, hours))
            self.orders.append(self._order(user, chosen, at))

    def sent(self, parts: int) -> Iterator[list[tuple[str, list[Row]]]]:
        """Each topic's events mixed up in so many parts, some repeated."""
        mixed = {}
        for topic in ("sessions", "orders", "catalog"):
            events = getattr(self, topic)
            again = self._dice.sample(events, len(events) // 10)
            mixed[topic] = self._dice.sample(events + again, len(events) + len(again))
        for part in range(parts):
            yield [(topic, events[part::parts]) for topic, events in mixed.items()]

    def _base(self, at: int) -> Row:
        self._ids += 1
        return {
            "event_id": f"e{self._ids:025d}",
            "occurred_at": at,
            "producer": "test",
            "schema_version": 1,
            "region": "eu_west",
        }

    def _card(self, product: str, hours: int) -> Row:
        price = f"{self._dice.randrange(100, 9_900) / 100:.2f}"
        return {
            **self._base(START_MS + self._dice.randrange(hours)),
            "product_id": product,
            "type": "price_changed",
            "category": self._dice.choice(["garden", "books"]),
            "price": price,
            "currency": "EUR",
        }

    def _action(self, user: str, product: str, at: int, hours: int) -> Row:
        kinds = ["product_view", "product_view", "cart_add", "checkout_started", "page_view"]
        kind = self._dice.choice(kinds)
        at = max(START_MS, at - self._dice.choice([0, GAP // 2, GAP, GAP + 1, 3 * HOUR]))
        return {
            **self._base(at),
            "user_id": user,
            "type": kind,
            "session_id": "s",
            "device": self._dice.choice(["mobile", "desktop"]),
            "page": self._dice.choice([None, "/", "/cart"]),
            "product_id": product if kind != "page_view" else None,
            "quantity": self._dice.randrange(1, 4) if kind == "cart_add" else None,
            "cart_value": f"{self._dice.randrange(1, 999)}.50" if kind == "cart_add" else None,
            "referrer": self._dice.choice([None, "search", "mail"]),
        }

    def _order(self, user: str, products: list[str], at: int) -> Row:
        lines = [
            {"product_id": p, "category": "garden", "quantity": 1 + i, "unit_price": "10.00"}
            for i, p in enumerate(products)
        ]
        base = self._base(at)
        order = {"user_id": user, "type": "placed", "order_id": f"o{base['event_id']}"}
        return {**base, **order, "currency": "EUR", "total": "30.00", "lines": lines}


def visits(sessions: list[Row]) -> list[tuple[Any, ...]]:
    """User, device, start, length, events, conversions of each visit.

    Only what does not depend on the order among events of one time.
    """
    by_key: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for event in sessions:
        by_key[event["user_id"], event["device"]].append(event)
    found = []
    for key, events in by_key.items():
        events.sort(key=lambda event: event["occurred_at"])
        runs = [[events[0]]]
        for event in events[1:]:
            if event["occurred_at"] - runs[-1][-1]["occurred_at"] > GAP:
                runs.append([])
            runs[-1].append(event)
        for run in runs:
            start, end = run[0]["occurred_at"], run[-1]["occurred_at"]
            converted = sum(event["type"] == "checkout_started" for event in run)
            found.append((*key, start, end - start, len(run), converted))
    return sorted(found, key=repr)


def lines(orders: list[Row], catalog: list[Row]) -> list[tuple[Any, ...]]:
    """Order, product, units, and the card's category and price as of the order."""
    found = []
    for order in orders:
        for line in order["lines"]:
            cards = [
                card for card in catalog
                if card["product_id"] == line["product_id"]
                and card["occurred_at"] <= order["occurred_at"]
            ]  # fmt: skip
            card = max(cards, key=lambda card: card["occurred_at"], default=None)
            held = (card["category"], Decimal(card["price"])) if card else (None, None)
            found.append((order["order_id"], line["product_id"], line["quantity"], *held))
    return sorted(found, key=repr)


def touches(orders: list[Row], sessions: list[Row]) -> list[tuple[Any, ...]]:
    """Order, product and the time of the last view within a day before."""
    found = []
    for order in orders:
        for line in order["lines"]:
            views = [
                view["occurred_at"] for view in sessions
                if view["type"] == "product_view" and view["user_id"] == order["user_id"]
                and view["product_id"] == line["product_id"]
                and 0 <= order["occurred_at"] - view["occurred_at"] <= DAY
            ]  # fmt: skip
            if views:
                found.append((order["order_id"], line["product_id"], max(views)))
    return sorted(found, key=repr)


def _told(rows: list[Row]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in rows), key=repr)


def _by_category(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Lines, units and discount from 10.00 by category."""
    sums: dict[str, list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    for _, _, quantity, category, price in found:
        total = sums[category or ""]
        total[0] += 1
        total[1] += quantity
        total[2] += quantity * ((price or Decimal("10.00")) - Decimal("10.00"))
    return sorted(((name, *values) for name, values in sums.items()), key=repr)


def _no_ring() -> Any:
    raise AssertionError("nothing is private here")


def _wrong(number: int, why: str) -> None:
    raise AssertionError(f"event {number}: {why}")
