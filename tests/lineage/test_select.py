"""Names in ClickHouse's SQL lead to the columns that ClickHouse takes them for."""

from __future__ import annotations

import pytest

from headrace.lineage.select import Unreadable, read
from headrace.lineage.sources import Refs

TABLES = {
    "orders": ["id", "at", "type", "total", "lines", "lines.sku", "lines.units", "tags"],
    "cards": ["sku", "name", "price"],
}


def told(refs: Refs) -> str:
    return " ".join(sorted(f"{ref.table}.{ref.path}" for ref in refs))


@pytest.mark.parametrize(
    ("sql", "outputs", "rows"),
    [
        ("SELECT total FROM orders", {"total": "orders.total"}, ""),
        ("SELECT o.total AS t FROM orders AS o", {"t": "orders.total"}, ""),
        ("SELECT count() AS n, 'x' AS k FROM db.orders", {"n": "", "k": ""}, ""),
        ("SELECT id FROM orders WHERE type = 'a' AND total > 0", {"id": "orders.id"},
         "orders.total orders.type"),
        ("SELECT id FROM orders PREWHERE type = 'a'", {"id": "orders.id"}, "orders.type"),
        ("SELECT sum(total) AS s FROM orders HAVING s > 1", {"s": "orders.total"}, "orders.total"),
        # An alias wins over the column of its name, except inside of its own expression.
        ("SELECT sum(total) AS total FROM orders", {"total": "orders.total"}, ""),
        ("SELECT at AS type, concat(type, 'x') AS y FROM orders",
         {"type": "orders.at", "y": "orders.at"}, ""),
        ("SELECT a + 1 AS b, total AS a FROM orders", {"b": "orders.total", "a": "orders.total"},
         ""),
        ("SELECT total AS t FROM orders WHERE t > 1", {"t": "orders.total"}, "orders.total"),
        # Arrays of records.
        ("SELECT line.sku AS sku FROM orders AS o ARRAY JOIN o.lines AS line",
         {"sku": "orders.lines.sku"}, "orders.lines"),
        ("SELECT lines.units AS u FROM orders ARRAY JOIN lines", {"u": "orders.lines.units"},
         "orders.lines"),
        ("SELECT sum(arraySum(lines.units)) AS u FROM orders", {"u": "orders.lines.units"}, ""),
        ("SELECT arraySum(l -> l.units * total, lines) AS u FROM orders",
         {"u": "orders.lines orders.total"}, ""),
        ("SELECT lines.size0 AS n FROM orders", {"n": "orders.lines"}, ""),
        ("SELECT t FROM orders ARRAY JOIN tags AS t", {"t": "orders.tags"}, "orders.tags"),
        # Functions of ClickHouse's own.
        ("SELECT quantilesDDState(0.01, 0.5)(toFloat64(total)) AS q FROM orders",
         {"q": "orders.total"}, ""),
        ("SELECT argMaxState(total, (at, id)) AS q FROM orders",
         {"q": "orders.at orders.id orders.total"}, ""),
        ("SELECT countIf(type = 'a') AS n FROM orders", {"n": "orders.type"}, ""),
        ("SELECT windowFunnel(60)(at, type = 'a', type = 'b') AS f FROM orders",
         {"f": "orders.at orders.type"}, ""),
        # Several sources.
        ("SELECT total, name FROM orders JOIN cards ON orders.id = cards.sku",
         {"total": "orders.total", "name": "cards.name"}, "cards.sku orders.id"),
        ("SELECT price FROM cards LEFT JOIN orders AS o ON o.id = sku AND o.type = 'a'",
         {"price": "cards.price"}, "cards.sku orders.id orders.type"),
        ("SELECT s FROM (SELECT sum(total) AS s FROM orders WHERE type = 'a')",
         {"s": "orders.total"}, "orders.type"),
        ("WITH x AS (SELECT id AS k FROM orders) SELECT k FROM x", {"k": "orders.id"}, ""),
        ("WITH toDate(at) AS day SELECT day FROM orders", {"day": "orders.at"}, ""),
        ("SELECT id FROM orders WHERE id IN (SELECT sku FROM cards WHERE price > 1)",
         {"id": "orders.id"}, "cards.price cards.sku orders.id"),
        ("SELECT id AS k FROM orders UNION ALL SELECT sku FROM cards",
         {"k": "cards.sku orders.id"}, ""),
        ("SELECT * FROM cards", {"sku": "cards.sku", "name": "cards.name", "price": "cards.price"},
         ""),
        ("SELECT c.* EXCEPT (price) FROM cards AS c", {"sku": "cards.sku", "name": "cards.name"},
         ""),
        ("SELECT other, id FROM elsewhere", {"other": "", "id": ""}, ""),
    ],
)  # fmt: skip
def test_what_a_select_reads(sql: str, outputs: dict[str, str], rows: str):
    found = read(sql, TABLES)
    assert {name: told(refs) for name, refs in found.outputs.items()} == outputs
    assert told(found.rows) == rows
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("sql", "name", "where"),
    [
        ("SELECT totl FROM orders", "totl", "orders"),
        ("SELECT o.totl FROM orders AS o", "totl", "orders"),
        ("SELECT id FROM orders WHERE kind = 1", "kind", "orders"),
        ("SELECT count() AS n FROM orders GROUP BY kind", "kind", "orders"),
        ("SELECT lines.sku2 FROM orders", "sku2", "orders.lines"),
        ("SELECT l.sku2 FROM orders ARRAY JOIN lines AS l", "sku2", "orders.lines"),
        ("SELECT b FROM (SELECT id AS a FROM orders)", "b", "the inner select"),
        ("SELECT id FROM orders WHERE id IN (SELECT x FROM cards)", "x", "cards"),
    ],
)
def test_a_name_of_nothing_is_found(sql: str, name: str, where: str):
    assert [(one.name, one.where) for one in read(sql, TABLES).unknown] == [(name, where)]


@pytest.mark.parametrize("sql", ["SELECT (", "INSERT INTO x VALUES (1)", "nothing", ""])
def test_what_is_no_select_is_refused(sql: str):
    with pytest.raises(Unreadable):
        read(sql, TABLES)
