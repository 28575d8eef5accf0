"""Sessions and joins in topology.yaml: every one that does not fit is told, with its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace.topology import examine
from headrace.topology.model import Topology
from tests.serve.server import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "visits"
TEXT = (EXAMPLE / "topology.yaml").read_text()
LINES = "lines.product_id, quantity: lines.quantity, unit_price"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE / "schemas", tmp_path / "schemas")
    return tmp_path


def test_the_example_is_expanded_into_agents_and_keyspaces(root: Path):
    declared = told(root, TEXT)
    assert not declared[1]
    assert declared[0] is not None
    agents = declared[0].agents
    assert agents["visits"].state is not None
    assert agents["visits"].state.key == "user_id"
    assert agents["order_lines_sides"].writes.topics == ("shop.order_lines.sides",)
    assert agents["order_lines"].reads == ("shop.order_lines.sides",)
    kinds = {name.split(":")[1]: k.type for name, k in declared[0].redis.keyspaces.items()}
    assert kinds == {"state": "state", "late": "hash"}


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong"),
    [
        ("reads: shop.sessions", "reads: shop.session", "sessions.visits.reads", "no such topic"),
        ("into: shop.visits", "into: shop.sessions", "sessions.visits.into", "it reads this topic"),
        ("[user_id, device]", "[device]", "sessions.visits.key.0", "events of one session would"),
        ("[user_id, device]", "[user_id, deviceid]", "sessions.visits.key.1", "no such field"),
        ("[user_id, device]", "[user_id, cart_value]", "sessions.visits.key.1", "is Decimal"),
        ("gap_s: 1800", "gap_s: 0", "sessions.visits.gap_s", "not valid"),
        ("gap_s: 1800", "gap: 1800", "sessions.visits.gap", "unknown key"),
        ("gap_s: 1800", "gap_s: 1800\n    time: page", "sessions.visits.time", "timestamp-millis"),
        ("gap_s: 1800", "gap_s: 1800\n    where: page", "sessions.visits.where", "not true or"),
        ("{first: page}", "{first: pages}", "sessions.visits.fields.entry.first", "no such field"),
        ("{first: page}", "{last: page, first: page}", "sessions.visits.fields.entry", "has"),
        ("{sum: quantity,", "{sum: page,", "sessions.visits.fields.units.sum", "sum is for"),
        ("{max: cart_value}", "{max: page}", "sessions.visits.fields.largest_cart.max", "max is"),
        ("units: {sum", "late: {sum", "sessions.visits.fields.late", "a field of this name"),
        ("units: {sum", "unitz: {sum", "sessions.visits.fields.unitz", "has no such field"),
        ("entry: {first: page}", "entry: {first: quantity}", "sessions.visits.fields.entry",
         "does not fit the field"),
        ("type = 'cart_add'\"}", "sum(quantity) > 1\"}",
         "sessions.visits.fields.carts.count", "looks beyond the row"),
        ("match: last\n    within_s: 86400", "match: last", "joins.touches", "needs within_s"),
        ("match: as_of", "match: as_of\n    within_s: 1", "joins.order_lines", "as_of looks back"),
        ("each: lines\n      key: [lines.product_id]", "each: total\n      key: [order_id]",
         "joins.order_lines.of.each", "not a list of records"),
        ("[user_id, lines.product_id]", "[user_id, lines.product]", "joins.touches.of.key.1",
         "no such field"),
        ("list_price: price}", "list_price: cost}", "joins.order_lines.with.fields.list_price",
         "no such field"),
        ("list_price: price}", "order_id: price}", "joins.order_lines.with.fields.order_id",
         "the result has such a field"),
        ("via: shop.touches.sides", "via: shop.touches", "joins.touches.into", "is 'via', too"),
        ("via: shop.touches.sides", "via: shop.order_lines.sides", "joins.touches.via",
         "another join has its sides in it"),
        ("sides, key: key, dedupe: *once, owner: growth", "sides, key: side, dedupe: *once",
         "joins.touches.via", "its key is 'side'"),
        ("order_lines, key: order_id, dedupe: *once,", "order_lines, key: order_id,",
         "joins.order_lines.into", "does not drop what is sent again"),
        ("within_s: 86400", "within_s: 86400\n    late: no", "joins.touches.late", "not valid"),
    ],
)  # fmt: skip
def test_each_fault(root: Path, old: str, new: str, path: str, wrong: str):
    assert old in TEXT
    _, problems = told(root, TEXT.replace(old, new, 1))
    found = [p for p in problems if p.path == path and wrong in p.wrong + p.fix]
    assert found, [(p.path, p.wrong, p.fix) for p in problems]
    assert all(p.fix for p in problems)


def test_all_faults_are_told_at_once(root: Path):
    text = TEXT.replace("{first: page}", "{first: pages}").replace(
        "list_price: price}", "list_price: cost}"
    )
    text = text.replace("gap_s: 1800", "gap_s: 1800\n    where: nothing = 1")
    _, problems = told(root, text)
    assert [p.value for p in problems] == ["nothing = 1", "pages", "cost"]


def test_private_fields_are_not_kept(root: Path):
    file = root / "schemas" / "sessions.avsc"
    text = file.read_text().replace('"name": "page",', '"name": "page", "pii": true,')
    file.unlink()
    file.write_text(text)
    _, problems = told(root, TEXT.replace("*once, owner: growth}", "*once, person: user_id}", 1))
    assert {(p.path, p.wrong) for p in problems} == {
        (f"sessions.visits.fields.{name}", "is private: it would be kept and told in clear")
        for name in ("entry.first", "exit.last")
    }


def told(root: Path, text: str) -> tuple[Topology | None, list[object]]:
    (root / "topology.yaml").write_text(text)
    return examine(root)
