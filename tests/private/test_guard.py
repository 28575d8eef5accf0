"""Records that a producer did not encrypt: never in a frame, and kept without what is private."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from headrace import topology
from headrace.frame import Decode
from headrace.private.guard import Guard
from headrace.rules.checked import decoder, id_decoder
from headrace.schema import Encoder, Registry
from tests.private import project
from tests.private.project import TOPIC, event
from tests.schema import cases

CANARY = "canary-90aa"
SEALED = {
    "email": "hrx1:AAAA",
    "phone": "hrx1:BBBB",
    "photo": b64encode(b"hrx1:CCCC").decode(),
    "device": "hrp1:DDDD",
}


class Guarded:
    """The customers' topic, decoded as a worker does."""

    def __init__(self, root: Path) -> None:
        project.write(root)
        self.root = root
        registry = Registry.load(root)
        self.guard = Guard.of(topology.load(root), TOPIC, registry)
        self.encoder = Encoder(registry, "customers")
        self.decode: Decode = decoder(registry, "customers", {}, self.guard)
        self.decode_ids = id_decoder(registry, "customers", "order_id", {}, self.guard)

    def value(self, **fields: Any) -> bytes:
        return self.encoder.encode(event("ann", **SEALED | fields))

    def json(self, value: bytes) -> dict[str, Any]:
        plain = decoder(Registry.load(self.root), "customers", {})(cases.block([value]))
        return self.encoder.to_json(plain.df.row(0, named=True))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("guard"))


@pytest.mark.parametrize(
    ("field", "clear", "hidden"),
    [
        ("email", CANARY, "<private>"),
        ("email", f"x hrx1:{CANARY}", "<private>"),
        ("phone", f"hrp1:{CANARY}", "<private>"),
        ("phone", "", "<private>"),
        ("photo", b64encode(CANARY.encode()).decode(), b64encode(b"<private>").decode()),
        ("device", f"hrx1:{CANARY}", "<private>"),
    ],
)
def test_one_value_in_clear_sets_its_record_aside_without_it(
    guarded: Guarded, field: str, clear: str, hidden: str
) -> None:
    good, wrong = guarded.value(phone=None), guarded.value(**{field: clear})
    block = cases.block([good, wrong, None, b"\0broken", good])
    frame = guarded.decode(block)
    assert frame.df["_offset"].to_list() == [block.offsets[0], block.offsets[4]]
    assert frame.df["_offset"].equals(guarded.decode_ids(block).df["_offset"])
    aside, broken = frame.bad
    assert (aside.index, aside.step, broken.index) == (1, "private", 3)
    assert broken.kept is None
    assert repr(field) in aside.reason
    assert CANARY not in aside.reason
    assert aside.kept is not None
    assert CANARY.encode() not in aside.kept.value
    assert aside.kept.key == block.keys[1]
    assert guarded.json(aside.kept.value) == {**guarded.json(wrong), field: hidden}
    assert [bad.index for bad in guarded.decode(cases.block([aside.kept.value])).bad] == [0]


def test_a_key_that_should_be_a_pseudonym_is_not_kept_either(tmp_path: Path) -> None:
    fields = project.SCHEMA["fields"]
    device = {"name": "device", "type": "string", "pii": "pseudonym"}
    schema = {**project.SCHEMA, "fields": [*fields[:-1], device]}
    declared = {**project.TOPOLOGY["topics"][TOPIC], "key": "device"}
    agents = {"keep": {**project.TOPOLOGY["agents"]["keep"], "writes": {}}}
    redis = {"prefix": "cu", "keyspaces": {}}
    changed = {"topics": {TOPIC: declared}, "agents": agents, "redis": redis}
    project.write(tmp_path, {**project.TOPOLOGY, **changed}, schema)
    registry = Registry.load(tmp_path)
    guard = Guard.of(topology.load(tmp_path), TOPIC, registry)
    value = Encoder(registry, "customers").encode(event("ann", **SEALED | {"device": CANARY}))
    (bad,) = decoder(registry, "customers", {}, guard)(cases.block([value])).bad
    assert bad.kept is not None
    assert bad.kept.key is None


def test_a_topic_may_allow_it(tmp_path: Path) -> None:
    declared = {**project.TOPOLOGY["topics"][TOPIC], "clear_text": "allow"}
    project.write(tmp_path, {**project.TOPOLOGY, "topics": {TOPIC: declared}})
    assert Guard.of(topology.load(tmp_path), TOPIC, Registry.load(tmp_path)) is None
