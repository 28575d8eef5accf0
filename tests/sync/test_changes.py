"""What changes mean: which events, with which ids; what is refused, by whom and how it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import Terminal
from headrace.schema import Registry
from headrace.sync.changes import Meaning
from headrace.topology.loader import examine
from headrace.topology.sync import Changes
from tests.serve.server import ROOT
from tests.sync.old_shop import declared

SCHEMA = Registry.load(ROOT).latest("orders").type
STATUSES = ["new", "paid", "void"]
DECLARED: dict[str, Any] = {
    "from": "old.public.orders",
    "topic": "shop.orders",
    "events": [
        {
            "when": ["snapshot", "insert"],
            "fields": {"order_id": "after.id", "type": {"value": "placed"}},
        },
        {
            "when": ["snapshot", "update"],
            "changed": ["status"],
            "where": {"after.status": ["paid", "void"]},
            "fields": {
                "order_id": "after.id",
                "type": {"from": "after.status", "map": {"paid": "paid", "void": "cancelled"}},
            },
        },
        {"when": ["delete"], "fields": {"order_id": "before.id", "type": {"value": "cancelled"}}},
    ],
}


def meaning(change: Callable[[dict[str, Any]], None] | None = None) -> Meaning:
    copied = orjson.loads(orjson.dumps(DECLARED))
    if change is not None:
        change(copied)
    return Meaning(Changes.model_validate(copied), "event_id", SCHEMA)


def told(op: str, before: Any, after: Any, lsn: int | None = 7) -> bytes:
    return orjson.dumps({"op": op, "before": before, "after": after, "source": {"lsn": lsn}})


def row(status: str, id_: int = 1) -> dict[str, Any]:
    return {"id": id_, "status": status}


def types(op: str, before: Any, after: Any) -> list[str]:
    return [event["type"] for event in meaning().events(b"1", told(op, before, after))]


def test_each_kind_of_change_means_what_is_declared() -> None:
    assert types("c", None, row("new")) == ["placed"]
    assert types("c", None, row("paid")) == ["placed"]
    assert types("r", None, row("new")) == ["placed"]
    assert types("r", None, row("paid")) == ["placed", "paid"]
    assert types("u", row("new"), row("void")) == ["cancelled"]
    assert types("u", row("paid"), row("paid")) == []
    assert types("u", row("paid"), row("new")) == []
    assert types("d", row("paid"), None) == ["cancelled"]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATUSES)), max_size=12), st.data())
def test_a_change_told_again_has_its_ids_and_no_two_changes_share_one(
    walk: list[tuple[int, str]], data: st.DataObject
) -> None:
    """Rows are changed back and forth, several in one record of the log."""
    per_record = data.draw(st.integers(1, 3))
    held: dict[int, str] = {}
    changes = []
    for number, (id_, status) in enumerate(walk):
        lsn = 100 + number // per_record  # one record never has one row twice
        if any(at == lsn and key == b"%d" % id_ for key, at, _ in changes):
            continue
        before = held.get(id_)
        op = "c" if before is None else "u"
        change = told(op, before and row(before, id_), row(status, id_), lsn)
        changes.append((b"%d" % id_, lsn, change))
        held[id_] = status
    first = [meaning().events(key, value) for key, _, value in changes]
    assert first == [meaning().events(key, value) for key, _, value in changes]
    ids = [event["event_id"] for events in first for event in events]
    assert len(set(ids)) == len(ids)


def test_another_snapshot_tells_again_only_of_what_it_finds_changed() -> None:
    def ids(status: str, lsn: int) -> list[str]:
        events = meaning().events(b"1", told("r", None, row(status), lsn))
        return [event["event_id"] for event in events]

    assert ids("paid", 1) == ids("paid", 2)
    assert ids("new", 1) == ids("paid", 2)[:1]
    assert ids("void", 1)[1] != ids("paid", 1)[1]


def test_what_id_names_is_one_event_whoever_tells_of_it() -> None:
    def by_id(given: dict[str, Any]) -> None:
        given["events"][0]["id"] = ["after.id"]

    def placed(op: str, status: str, lsn: int) -> str:
        (event, *_) = meaning(by_id).events(b"1", told(op, None, row(status), lsn))
        return str(event["event_id"])

    assert placed("c", "new", 1) == placed("r", "paid", 2) == placed("r", "void", 3)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\x00\x00\x00\x00\x01ab", "not JSON"),
        (b'{"id": 1, "status": "new"}', "schemas.enable=false, and no transform that unwraps"),
        (b'{"schema": {}, "payload": {}}', "schemas.enable=false"),
        (told("u", None, row("paid")), "REPLICA IDENTITY FULL"),
        (told("c", None, row("paid"), None), "source.lsn"),
    ],
)
def test_what_is_no_change_is_refused_with_the_setting_to_mend(value: bytes, why: str) -> None:
    with pytest.raises(Terminal, match=why):
        meaning().events(b"1", value)


WRONG: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (
        lambda sync: sync["changes"]["legacy_orders"].update({"from": "shop.orders"}),
        "sync.changes.legacy_orders.from", "is a topic of this pipeline",
    ),
    (
        lambda sync: sync["changes"]["legacy_orders"].update(topic="shop.order"),
        "sync.changes.legacy_orders.topic", "no such topic",
    ),
    (
        lambda sync: sync["changes"]["legacy_orders"].update(topic="platform.flags"),
        "sync.changes.legacy_orders.topic", "has no dedupe",
    ),
    (
        lambda sync: first(sync).update(changed=["status"]),
        "sync.changes.legacy_orders.events.0.changed", "only an update changes columns",
    ),
    (
        lambda sync: first(sync)["fields"].update(event_id="after.id"),
        "sync.changes.legacy_orders.events.0.fields.event_id", "made from the change's place",
    ),
    (
        lambda sync: first(sync)["fields"].update(user_id="row.customer"),
        "sync.changes.legacy_orders.events.0.fields.user_id", "not in a change event",
    ),
    (
        lambda sync: first(sync).update(where={"old.id": 1}),
        'sync.changes.legacy_orders.events.0.where."old.id"', "not in a change event",
    ),
    (
        lambda sync: first(sync)["fields"].pop("total"),
        "sync.changes.legacy_orders.events.0.fields", "nothing for field 'total'",
    ),
    (
        lambda sync: first(sync)["fields"].update(colour="after.colour"),
        "sync.changes.legacy_orders.events.0.fields.colour", "has no such field",
    ),
    (
        lambda sync: sync["compare"]["order_states"].update(read_model="orders"),
        "sync.compare.order_states.read_model", "not a keyspace of type hash",
    ),
    (
        lambda sync: sync["compare"]["order_states"].update(new="SELECT 1"),
        "sync.compare.order_states", "give one of 'new' and 'read_model'",
    ),
    (
        lambda sync: sync["compare"]["order_states"].update(key=["id", "state.total"]),
        "sync.compare.order_states", "a read model has one id",
    ),
]  # fmt: skip


def first(sync: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sync["changes"]["legacy_orders"]["events"][0]
    return found


@pytest.mark.parametrize(("change", "path", "wrong"), WRONG)
def test_check_says_where_the_declaration_is_wrong(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], path: str, wrong: str
) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    text = declared()
    place = text.index("\nsync:")
    sync = yaml.safe_load(text[place:])
    change(sync["sync"])
    (tmp_path / "topology.yaml").write_text(text[:place] + "\n" + yaml.safe_dump(sync))
    _, problems = examine(tmp_path)
    assert any(p.path == path and wrong in p.wrong + p.fix for p in problems), problems


def test_the_page_s_declaration_is_right(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "topology.yaml").write_text(declared())
    assert examine(tmp_path)[1] == []
