"""Kills with -9 of Kafka Connect, PostgreSQL and `sync run`: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import orjson
import psycopg
import pytest

from headrace import endpoints
from headrace.murmur import partition_of
from headrace.schema import Encoder, Registry
from headrace.sync.connectors import Connectors
from headrace.sync.outbox import Outbox, ddl
from tests.sync.old_shop import CAPTURED, SECOND, TOLD, OldShop, blocks

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]

SEED = 31
STATEMENTS = 360
KILLS = {90: ("connect",), 180: ("postgres",), 270: ("connect", "postgres")}
BEFORE = 12
TYPES = {"paid": "paid", "sent": "shipped", "done": "delivered", "void": "cancelled"}
#: Every version of every row, written by the database itself in the same transaction.
HISTORY = """
CREATE TABLE history (
    seq bigserial PRIMARY KEY, id bigint, customer text, status text, origin text, inserted bool);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO history (id, customer, status, origin, inserted)
    VALUES (NEW.id, NEW.customer, NEW.status, NEW.origin, TG_OP = 'INSERT');
    RETURN NEW;
END $$;
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION keep();
"""


class Old:
    """The second shop's old program and its new service, both writing to one database."""

    def __init__(self, shop: OldShop) -> None:
        self._shop = shop
        self.address = shop.database.replace("/postgres", f"/{SECOND}")
        self._outbox = Outbox(shop.root, shop.topology)
        self._rng = random.Random(SEED)
        self._numbers = count(1)
        self._session: psycopg.Connection[Any] | None = None

    def insert(self, many: int) -> None:
        """Several rows by one statement: of one record of the database's log, may be."""
        rows = ", ".join(
            f"('u{self._rng.randrange(9)}', 'apac', 'new', 'EUR', {self._rng.randrange(9000)}.5)"
            for _ in range(many)
        )
        self._run(f"INSERT INTO orders (customer, region, status, currency, total) VALUES {rows}")

    def step(self) -> None:
        """Something that happens in a shop, in one transaction."""
        chosen = self._rng.random()
        if chosen < 0.3:
            self.insert(self._rng.randrange(1, 5))
        elif chosen < 0.7:
            status = self._rng.choice(["new", *TYPES])
            self._run(
                f"UPDATE orders SET status = '{status}', changed_at = now() WHERE id % 7 = "
                f"{self._rng.randrange(7)} AND id % 5 = {self._rng.randrange(5)}"
            )
        else:
            self._tell(commit=chosen < 0.92)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.address) as session:
            return session.execute(sql.encode()).fetchall()

    def _tell(self, commit: bool) -> None:
        number = next(self._numbers)
        event = {
            "event_id": f"told-{number:05}", "occurred_at": number, "producer": "service",
            "schema_version": 1, "user_id": f"u{number % 9}", "region": "apac", "type": "placed",
            "order_id": f"s{number}", "currency": "EUR", "total": "1.50",
        }  # fmt: skip
        session = self._connected()
        try:
            with session.transaction(force_rollback=not commit):
                self._outbox.write(session, TOLD, event)
        except psycopg.OperationalError:
            self._session = None

    def _run(self, statement: str) -> None:
        try:
            self._connected().execute(statement.encode())
        except psycopg.OperationalError:
            self._session = None  # killed; whether it was committed, the history says

    def _connected(self) -> psycopg.Connection[Any]:
        if self._session is None:
            self._session = psycopg.connect(self.address, autocommit=True)
        return self._session


@contextmanager
def translating(shop: OldShop) -> Iterator[None]:
    """`sync run`, started again whenever it dies: at first each with its first transaction."""
    stop, died = threading.Event(), []
    crashes = iter(["sync_sent:1", "sync_committed:1", "sync_sent:1"])

    def again() -> None:
        while not stop.is_set():
            crash = next(crashes, "")
            process = shop.start("sync", "run", "second", HEADRACE_CRASH=crash)
            while process.poll() is None and not stop.wait(0.1):
                pass
            if process.poll() is None:
                process.terminate()
            died.append((process.wait(60), process.communicate()[0]))

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(90)
    codes = [code for code, _ in died]
    assert set(codes) <= {-9, 0, 1}, died
    assert codes.count(-9) == 3, died


@pytest.fixture
def old(old_shop: OldShop) -> Old:
    """Its tables and its connectors, made from the page and from deploy/connect."""
    old_shop.sql(f"CREATE DATABASE {SECOND}")
    old = Old(old_shop)
    table = next(block for block in blocks("sql") if "CREATE TABLE orders" in block)
    with psycopg.connect(old.address, autocommit=True) as session:
        session.execute(table.partition("INSERT INTO")[0].encode())
        session.execute(next(b for b in blocks("sql") if "REPLICA IDENTITY" in b).encode())
        session.execute(HISTORY.encode())
        session.execute(ddl().encode())
        session.execute(ddl().encode())  # a second time changes nothing
    with old_shop.environment():
        connectors = Connectors(endpoints.optional("connect", old_shop.root))
    old.insert(BEFORE)
    for name in ("legacy", "outbox"):
        config = orjson.loads((old_shop.root / f"deploy/connect/{name}.json").read_bytes())
        config |= {"database.dbname": SECOND, "slot.name": f"{SECOND}_{name}"}
        config["topic.prefix"] = SECOND if name == "legacy" else f"{SECOND}_{name}"
        if name == "legacy":
            config["publication.name"] = f"{SECOND}_{name}"
        connectors.put(f"{SECOND}_{name}", config, 90)
    return old


def once(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As `dedupe` leaves them: the first of each id."""
    seen: set[str] = set()
    return [e for e in events if not (e["event_id"] in seen or seen.add(e["event_id"]))]


def by_order(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for event in once(events):
        found[event["order_id"]].append(event["type"])
    return dict(found)


def meant(history: list[tuple[Any, ...]]) -> dict[str, list[str]]:
    """What the versions of each row mean, in plain Python."""
    found: dict[str, list[str]] = {}
    before: dict[int, str] = {}
    for id_, status, inserted in history:
        told = found.setdefault(str(id_), [])
        if inserted:
            told.append("placed")
        elif status != before[id_] and status in TYPES:
            told.append(TYPES[status])
        before[id_] = status
    return found


def test_rows_and_outbox_arrive_once_through_any_kill(old_shop: OldShop, old: Old) -> None:
    with translating(old_shop):
        old_shop.wait_for(
            lambda: len(once(old_shop.events(CAPTURED))) == BEFORE, "the snapshot has arrived"
        )
        for number in range(STATEMENTS):
            old.step()
            if number in KILLS:
                for service in KILLS[number]:
                    old_shop.kill_service(service)
                old_shop.restart()
        wanted = meant(old.rows("SELECT id, status, inserted FROM history ORDER BY seq"))
        told = [id_ for (id_,) in old.rows("SELECT id FROM outbox ORDER BY id")]
        old_shop.wait_for(
            lambda: (
                len(once(old_shop.events(CAPTURED))) >= sum(map(len, wanted.values()))
                and len(once(old_shop.events(TOLD))) >= len(told)
            ),
            "everything has arrived",
        )
    assert by_order(old_shop.events(CAPTURED)) == wanted

    arrived = once(old_shop.events(TOLD))
    assert sorted(event["event_id"] for event in arrived) == told
    assert 0 < len(told) < STATEMENTS
    for event in arrived:
        assert event["_partition"] == partition_of(event["user_id"].encode(), 4)
    for user in {event["user_id"] for event in arrived}:
        ids = [event["event_id"] for event in arrived if event["user_id"] == user]
        assert ids == sorted(ids)  # in the order in which they were committed
    _payloads_are_as_any_producer_writes_them(old_shop, old)
    _a_second_process_takes_over(old_shop, old)


def _a_second_process_takes_over(shop: OldShop, old: Old) -> None:
    def all_told() -> bool:
        wanted = meant(old.rows("SELECT id, status, inserted FROM history ORDER BY seq"))
        return by_order(shop.events(CAPTURED)) == wanted

    first = shop.start("sync", "run", "second")
    old.insert(1)
    shop.wait_for(all_told, "the first is at work")
    second = shop.start("sync", "run", "second")

    def taken_over() -> bool:
        old.insert(1)
        return first.poll() is not None

    shop.wait_for(taken_over, "the second has fenced the first")
    assert first.returncode == 1
    assert "another 'headrace sync run second' has started" in first.communicate()[0]
    shop.wait_for(all_told, "the second goes on where the first was")
    second.terminate()
    assert second.wait(60) == 0


def _payloads_are_as_any_producer_writes_them(shop: OldShop, old: Old) -> None:
    encoder = Encoder(Registry.load(shop.root), "orders")
    kept = dict(old.rows("SELECT id, payload FROM outbox"))
    for event in once(shop.events(TOLD)):
        own = {name: value for name, value in event.items() if not name.startswith("_")}
        assert encoder.encode(own) == kept[event["event_id"]]


def test_a_name_that_is_not_declared_is_told(old_shop: OldShop) -> None:
    done = old_shop.headrace("sync", "run", "none", check=False)
    assert done.returncode == 2
    assert "sync.changes has no 'none'; declared: legacy_orders, second" in done.stderr
