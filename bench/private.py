"""What private data costs: ``python -m bench.private [--events N] [--persons N] [--rows N]``.

The producer's path (JSON to acknowledged by Kafka) with two fields private and with none, in turns;
then ``headrace forget`` 's part in ClickHouse, on a table of generated rows. Real services.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import clickhouse_connect
import yaml
from rich.console import Console
from rich.table import Table

from headrace import stack, topology
from headrace.cli.apply import apply_all
from headrace.client.send import EventProducer
from headrace.endpoints import Endpoints
from headrace.private.master import make_key_file
from headrace.private.opening import key_ring
from headrace.private.ring import KeyRing
from headrace.schema.register import register
from headrace.topology.model import Topology
from sinks.factory import make_erasers, make_key_store

CLEAR, PRIVATE = "clear", "private"
ROUNDS = 7
ROWS = """
INSERT INTO bench.customers (event_id, user_id, at, region, country, email, phone, _partition, _offset)
SELECT leftPad(toString(number), 26, '0'), concat('u-', toString(cityHash64(number) % {persons})),
       toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number, 'eu_west', 'DE',
       concat('hrx1:', base64Encode(randomString(42))), concat('hrx1:', base64Encode(randomString(38))),
       number % 4, intDiv(number, 4)
FROM numbers({rows}) SETTINGS max_insert_block_size = 65536
"""  # noqa: E501


def project(root: Path) -> Topology:
    """Two topics with equal fields, of which one has two private ones; a table of that one."""
    names = ("event_id", "user_id", "region", "country", "email", "phone")
    (root / "schemas").mkdir()
    for name in (CLEAR, PRIVATE):
        fields: list[dict[str, Any]] = [{"name": n, "type": "string"} for n in names]
        for field in fields[4:] if name == PRIVATE else ():
            field["pii"] = True
        at = {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
        spec = {"type": "record", "name": "Customer", "fields": [*fields, at]}
        (root / f"schemas/{name}.avsc").write_text(json.dumps(spec))
    register(root / "schemas")
    topic = {"key": "user_id", "person": "user_id"}
    declared = {
        "version": 1,
        "name": "bench",
        "topics": {name: {"schema": name, **topic} for name in (CLEAR, PRIVATE)},
        "agents": {
            "none": {
                "function": "agents.analytics:analytics",
                "reads": [PRIVATE],
                "writes": {"tables": ["customers"]},
            }
        },
        "clickhouse": {
            "database": "bench",
            "tables": {"customers": {"topic": PRIVATE, "order_by": ["user_id", "at"]}},
        },
    }
    (root / "topology.yaml").write_text(yaml.safe_dump(declared))
    return topology.load(root)


def write_events(file: Path, events: int, persons: int) -> None:
    """Events as NDJSON; persons come back in an order of their own."""
    with file.open("wb") as out:
        for number in range(events):
            person = number * 7919 % persons
            out.write(
                b'{"event_id":"%026d","user_id":"u-%d","region":"eu_west","country":"DE",'
                b'"email":"person.%d@example.com","phone":"+49 30 %08d",'
                b'"at":"2026-03-01T12:00:00.250Z"}\n' % (number, person, person, person)
            )


def produce(root: Path, declared: Topology, where: Endpoints, topic: str, file: Path) -> float:
    """Events per CPU-second of this process. The key ring is opened anew, its cache empty."""

    def ring() -> KeyRing:
        return key_ring(root, declared, make_key_store(declared, where))

    producer = EventProducer(root, declared, topic, where.kafka, ring)
    began = time.process_time()
    with file.open("rb") as lines:
        outcome = producer.send(lines, print)
    if outcome.failed:
        raise SystemExit(f"{outcome.failed} events were not sent")
    return outcome.sent / (time.process_time() - began)


def forget(
    root: Path, declared: Topology, where: Endpoints, rows: int, persons: int
) -> list[float]:
    """Seconds in which three persons' rows were found, deleted and searched again."""
    client = clickhouse_connect.get_client(dsn=where.clickhouse, send_receive_timeout=600)
    client.command(ROWS.format(rows=rows, persons=persons))
    client.command(
        "OPTIMIZE TABLE bench.customers FINAL"
    )  # the worst case: one part, all rewritten
    erasers = make_erasers(declared, where, root)
    taken = []
    for person in ("u-1", "u-2", "u-3"):
        began = time.monotonic()
        ids = {"user_id": {person}}
        deleted = sum(eraser.erase(person, ids) for eraser in erasers)
        left = sum(found.left for eraser in erasers for found in eraser.find(person, ids))
        taken.append(time.monotonic() - began)
        if not deleted or left:
            raise SystemExit(f"{deleted} rows deleted, {left} left")
    for eraser in erasers:
        eraser.close()
    client.close()
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, stack.running(Path(folder)) as where:
        root = Path(folder)
        declared = project(root)
        apply_all(root, declared, where)
        make_key_file(root)
        file = root / "events.ndjson"
        write_events(file, options.events, options.persons)
        speeds: dict[str, list[float]] = {CLEAR: [], PRIVATE: []}
        for _ in range(ROUNDS):
            for topic, found in speeds.items():
                found.append(produce(root, declared, where, topic, file))
        seconds = forget(root, declared, where, options.rows, options.persons)
    table = Table("what", "median", "all")
    for topic, found in speeds.items():
        shown = ", ".join(f"{speed:,.0f}" for speed in found)
        table.add_row(f"events/CPU-s, {topic}", f"{statistics.median(found):,.0f}", shown)
    # Of pairs taken one after the other: what else the machine does meets both.
    costs = [1 - p / c for c, p in zip(speeds[CLEAR], speeds[PRIVATE], strict=True)]
    shown = ", ".join(f"{cost:.1%}" for cost in costs)
    table.add_row("cost of two private fields", f"{statistics.median(costs):.1%}", shown)
    shown = ", ".join(f"{taken:.1f}" for taken in seconds)
    what = f"s to forget a person in {options.rows:,} rows"
    table.add_row(what, f"{statistics.median(seconds):.1f}", shown)
    Console().print(table)


if __name__ == "__main__":
    main()
