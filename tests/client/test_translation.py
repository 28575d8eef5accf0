"""Kong's http-log entries as the shop's topology maps them; mappings that `check` refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace import topology
from headrace.client.events import NotAnEvent
from headrace.client.translation import Translation
from headrace.schema import Encoder, Registry
from headrace.topology.loader import examine

ROOT = Path(__file__).resolve().parents[2]
#: The members of an entry of Kong 3.x that the mapping reads, and some that it does not.
ENTRY: dict[str, Any] = {
    "request": {
        "id": "2f6946328ffc4946b8c9120704a4a155",
        "method": "GET",
        "uri": "/v1/orders/7",
        "headers": {"host": "shop", "x-user-id": "u7"},
        "size": 291,
    },
    "response": {"status": 200, "size": 9982, "headers": {"x-cache-status": "Hit"}},
    "latencies": {"kong": 3, "proxy": 171, "request": 174.25, "receive": 0},
    "route": {"name": "/v1/orders/{id}", "protocols": ["http", "https"]},
    "service": {"name": "orders"},
    "consumer": {"username": "storefront-1"},
    "client_ip": "192.0.2.1",
    "started_at": 1772366390123,
    "tries": [{"ip": "192.0.2.9", "port": 80}],
}
EVENT = {
    "event_id": "2f6946328ffc4946b8c9120704a4a155", "occurred_at": 1772366390123,
    "producer": "kong", "schema_version": 1, "tenant": "storefront-1", "region": "eu_west",
    "route": "/v1/orders/{id}", "method": "GET", "status": 200, "latency_us": 174_250,
    "cache_hit": True, "bytes_sent": 9982, "user_id": "u7",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(Registry.load(ROOT), "requests")


@pytest.fixture(scope="module")
def kong(encoder: Encoder) -> Translation:
    return Translation(topology.load(ROOT).intake["kong"].sources, encoder.schema.type)


def changed(**members: Any) -> dict[str, Any]:
    """The entry with other values for members of its members."""
    return {**ENTRY, **{name: {**ENTRY[name], **value} for name, value in members.items()}}


def test_an_entry_becomes_an_event(kong: Translation, encoder: Encoder) -> None:
    assert kong.event(ENTRY) == EVENT
    assert encoder.encode(kong.event(ENTRY))


@pytest.mark.parametrize(
    ("entry", "field", "value"),
    [
        (changed(response={"size": "434"}), "bytes_sent", 434),  # as Kong 2 has it
        (changed(response={"headers": {}}), "cache_hit", False),
        (changed(response={"headers": {"x-cache-status": ["Hit", "Miss"]}}), "cache_hit", True),
        (changed(latencies={"request": 57.9999996}), "latency_us", 58_000),
        ({**ENTRY, "region": "apac"}, "region", "apac"),
        ({**ENTRY, "route": None}, "route", "none"),
        ({**ENTRY, "route": "not an object"}, "route", "none"),
        (changed(response={"status": "teapot"}), "status", "teapot"),
        (changed(latencies={"request": float("inf")}), "latency_us", float("inf")),
    ],
)
def test_values_are_made_to_fit(
    kong: Translation, entry: dict[str, Any], field: str, value: Any
) -> None:
    assert kong.event(entry) == {**EVENT, field: value}


def test_what_is_missing_is_left_out_and_no_object_is_refused(kong: Translation) -> None:
    assert "event_id" not in kong.event({})
    with pytest.raises(NotAnEvent, match="it is a list"):
        kong.event([])


@pytest.mark.parametrize(
    ("field", "source", "wrong"),
    [
        ("colour", "request.id", "has no such field"),
        ("status", {"from": "a", "value": 1}, "one of 'from' and 'value'"),
        ("status", {"value": 1, "times": 2}, "need 'from'"),
        ("status", {"from": "a", "equals": "x"}, "drop equals"),
        ("route", {"from": "a", "times": 2}, "drop times"),
        ("status", "a..b", "legal"),
        ("status", None, "nothing for field 'status'"),
    ],
)
def test_check_refuses_what_can_not_be(tmp_path: Path, field: str, source: Any, wrong: str) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    declared = yaml.safe_load((ROOT / "topology.yaml").read_text())
    fields = declared["intake"]["kong"]["fields"]
    if source is None:
        del fields[field]
    else:
        fields[field] = source
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump(declared))
    problems = examine(tmp_path)[1]
    assert problems
    assert all(one.path.startswith("intake.kong") for one in problems)
    assert any(wrong in f"{one.wrong} {one.fix}" for one in problems)


def test_the_topic_must_be_declared(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    declared = yaml.safe_load((ROOT / "topology.yaml").read_text())
    declared["intake"]["kong"]["topic"] = "platform.nothing"
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump(declared))
    (problem,) = examine(tmp_path)[1]
    assert problem.path == "intake.kong.topic"
