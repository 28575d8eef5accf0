"""``python -m bench.rules``: what five rules cost beside decoding, by the share that fails."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.decode import ROOT, speed, values
from headrace.block import Block
from headrace.rules.checked import decoder
from headrace.rules.rule import Rule
from headrace.schema import Registry

ROWS = 65_536
SCHEMA = "orders"
#: One of each form; totals are uniform from 0 to 1,000, so ``max`` sets the share that fails.
RULES: dict[str, dict[str, Any]] = {
    "total_in_range": {"field": "total", "min": 0, "on_failure": "dead_letter"},
    "id_form": {"field": "order_id", "pattern": "^o-[0-9a-f]{10}$", "on_failure": "dead_letter"},
    "region_served": {"field": "region", "one_of": ["eu_west", "us_east", "apac"]},
    "currency_known": {"field": "currency", "is": "iso_4217"},
    "placed_has_lines": {"check": "type <> 'placed' OR array_length(lines) > 0"},
}


def rules(most: int) -> dict[str, Rule]:
    """The five, with a limit on the total."""
    declared = RULES | {"total_in_range": RULES["total_in_range"] | {"max": most}}
    return {
        name: Rule.model_validate({"on_failure": "mark"} | rule) for name, rule in declared.items()
    }


def main() -> None:
    """Print events per CPU-second, the best of several runs."""
    registry = Registry.load(ROOT)
    framed = values(registry.latest(SCHEMA), ROWS)
    numbers = np.arange(ROWS)
    block = Block("t", 0, 0, ROWS - 1, framed, numbers, numbers, [None] * ROWS)
    table = Table("", "events per CPU-second", title=f"{SCHEMA}, blocks of {ROWS:,}")
    for title, declared in (
        ("decode", {}),
        ("with five rules, all hold", rules(1_000)),
        ("1 % to the dead letters", rules(990)),
    ):
        decode = decoder(registry, SCHEMA, declared)
        found = speed(lambda decode=decode: decode(block), ROWS)  # type: ignore[misc]
        table.add_row(title, f"{found:,.0f}" if isinstance(found, float) else found)
    Console().print(table)


if __name__ == "__main__":
    main()
