"""Decode speed on the project's schemas, against what else decodes Avro into columns from Python.

    python -m bench.decode [--rows 50000] [--json]

Events per CPU-second of the process (all its threads), the best of several runs. Every decoder gets
the same framed values and gives a frame or Arrow batch; fastavro gives dicts. Only Headrace checks
each record's boundary and the strings' encoding by itself.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import numpy as np
import polars as pl

from headrace.block import Block
from headrace.schema import AvroSchema, Codec, Registry
from headrace.schema.framing import frame

ROOT = Path(__file__).parents[1]
SCHEMAS = ("requests", "sessions", "orders")
REPEATS = 9


def values(schema: AvroSchema, rows: int) -> list[bytes]:
    """Framed records that look like the load generator's."""
    rnd = Random(7)
    framed = []
    for _ in range(rows):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema.fast, _record(schema.name, rnd))
        framed.append(frame(schema.id, out.getvalue()))
    return framed


def _record(name: str, rnd: Random) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event_id": f"01J{rnd.getrandbits(110):023X}"[:26].ljust(26, "0"),
        "occurred_at": 1_780_000_000_000 + rnd.randrange(86_400_000),
        "producer": rnd.choice(["web", "checkout", "gateway"]),
        "schema_version": 1,
        "trace_id": f"{rnd.getrandbits(128):032x}" if rnd.random() < 0.5 else None,
        "user_id": f"u-{rnd.randrange(100_000)}",
        "region": rnd.choice(["eu_west", "us_east", "apac"]),
    }
    if name == "requests":
        return record | {
            "tenant": f"store-{rnd.randrange(40)}",
            "route": rnd.choice(["/v1/orders/{id}", "/v1/products", "/v1/cart"]),
            "method": rnd.choice(["GET", "POST"]),
            "status": rnd.choice([200, 200, 200, 404, 500]),
            "latency_us": int(rnd.lognormvariate(9, 1)),
            "cache_hit": rnd.random() < 0.6,
            "bytes_sent": int(rnd.lognormvariate(8, 2)),
        }
    product = f"p-{rnd.randrange(5000):05d}"
    if name == "sessions":
        kind = rnd.choice(["page_view", "search", "product_view", "product_view", "cart_add"])
        record |= {
            "type": kind,
            "session_id": f"s-{rnd.getrandbits(48):012x}",
            "device": rnd.choice(["desktop", "mobile"]),
        }
        if kind == "page_view":
            return record | {"page": "/", "referrer": rnd.choice([None, "https://search.example"])}
        if kind == "search":
            return record | {"query": rnd.choice(["garden chair", "lamp", "blue shoes size 42"])}
        record |= {"product_id": product, "category": rnd.choice(["garden", "kitchen"])}
        more = {"quantity": rnd.randint(1, 3), "unit_price": Decimal(rnd.randrange(50_000)) / 100}
        return record | more if kind == "cart_add" else record
    kind = rnd.choice(["placed", "paid", "packed", "shipped", "delivered"])
    lines = [
        {
            "product_id": f"p-{rnd.randrange(5000):05d}",
            "category": rnd.choice(["garden", "kitchen", "toys"]),
            "quantity": rnd.randint(1, 3),
            "unit_price": Decimal(rnd.randrange(50_000)) / 100,
        }
        for _ in range(rnd.randint(1, 5) if kind == "placed" else 0)
    ]
    return record | {
        "type": kind,
        "order_id": f"o-{rnd.getrandbits(40):010x}",
        "currency": "EUR",
        "total": Decimal(rnd.randrange(100_000)) / 100,
        "lines": lines,
        "carrier": "post" if kind == "shipped" else None,
    }


def _container(schema: AvroSchema, bodies: list[bytes]) -> io.BytesIO:
    """An object container around the raw datums, as one block."""
    out = io.BytesIO()
    fastavro.writer(out, schema.fast, [], sync_marker=b"s" * 16)
    for number in (len(bodies), sum(map(len, bodies))):
        raw = number << 1
        while raw > 0x7F:
            out.write(bytes((raw & 0x7F | 0x80,)))
            raw >>= 7
        out.write(bytes((raw,)))
    out.write(b"".join(bodies))
    out.write(b"s" * 16)
    out.seek(0)
    return out


def decoders(
    registry: Registry, schema: AvroSchema, framed: list[bytes]
) -> dict[str, Callable[[], Any]]:
    """What is compared; each call decodes all of ``framed``."""
    rows = len(framed)
    numbers = np.arange(rows)
    block = Block("t", 0, 0, rows - 1, framed, numbers, numbers, [None] * rows)
    codec = Codec(registry, schema.name)
    some = Codec(registry, schema.name, ["event_id", "occurred_at", "region"])
    found: dict[str, Callable[[], Any]] = {
        "headrace": lambda: codec.decode(block),
        "headrace, 3 columns": lambda: some.decode(block),
        "polars.read_avro of a container": lambda: pl.read_avro(
            _container(schema, [value[5:] for value in framed])
        ),
        "fastavro": lambda: [
            fastavro.schemaless_reader(io.BytesIO(value[5:]), schema.fast, None) for value in framed
        ],
    }
    try:
        import pyruhvro
    except ImportError:
        return found
    text = json.dumps(schema.spec)
    found["pyruhvro"] = lambda: pyruhvro.deserialize_array([value[5:] for value in framed], text)
    return found


def speed(decode: Callable[[], Any], rows: int) -> float | str:
    """Events per CPU-second, or why it failed."""
    best = float("inf")
    try:
        for _ in range(REPEATS):
            start = time.process_time()
            decode()
            best = min(best, time.process_time() - start)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # also a panic; a decoder that can't is a result
        return f"{type(error).__name__}: {error}"[:60]
    return rows / best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    registry = Registry.load(ROOT)
    results: dict[str, dict[str, float | str]] = {}
    for name in SCHEMAS:
        schema = registry.latest(name)
        framed = values(schema, options.rows)
        for decoder, call in decoders(registry, schema, framed).items():
            results.setdefault(decoder, {})[name] = speed(call, options.rows)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'events per CPU-second':34}" + "".join(f"{name:>14}" for name in SCHEMAS))
    for decoder, row in results.items():
        cells = (f"{v:14,.0f}" if isinstance(v, float) else f"{v:>14}" for v in row.values())
        print(f"{decoder:34}" + "".join(cells))


if __name__ == "__main__":
    main()
