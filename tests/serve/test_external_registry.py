"""An external registry, played by a project of its own that serves its schemas."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headrace import topology
from headrace.errors import ConfigError, Transient
from headrace.schema import Codec, Encoder, Registry
from headrace.schema.external import UNKNOWN_S, External, connect
from headrace.schema.register import add, register
from headrace.schemas import registry_of
from tests.schema.cases import block
from tests.serve.server import ROOT, project, served
from tests.serve.test_registry_api import NOTE, evolved
from tests.stack.nobody import nobody_listens
from tests.strategies import event

TOPICS = {"platform.flags": "flags"}
NAMES = {"platform.flags-value": "flags"}
FURTHER = 100
HERE = Registry.load(ROOT)
#: The id that the far registry gives next.
NEXT = FURTHER + 1 + max(HERE.latest(name).id for name in HERE.names)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at

    def now_ms(self) -> int:
        return 0


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """The registry's project: the same schemas under other ids."""
    root = project(tmp_path / "far")
    lock = root / "schemas/registry.json"
    content = json.loads(lock.read_text())
    for versions in content["subjects"].values():
        versions[0]["id"] += FURTHER
    lock.write_text(json.dumps(content))
    return root


@pytest.fixture
def url(far: Path) -> Iterator[str]:
    with served(far, "--allow-register") as address:
        yield address


@pytest.fixture
def near(tmp_path: Path) -> Path:
    root = tmp_path / "near"
    shutil.copytree(ROOT / "schemas", root / "schemas")
    return root


def test_ids_are_the_external_ones_and_later_versions_are_looked_up(
    near: Path, far: Path, url: str
) -> None:
    registry = connect(near, url, TOPICS)
    assert registry.latest("flags").id == 106
    value = Encoder(registry, "flags").encode(event("platform.flags"))
    codec = Codec(registry, "flags")
    assert codec.decode(block([value])).bad == []

    new = add(far / "schemas", "flags", evolved(far, "flags", NOTE))
    later = Encoder(Registry.load(far), "flags").encode(event("platform.flags", note="new"))
    assert new.id == NEXT
    frame = codec.decode(block([value, later]))
    assert frame.bad == []
    assert "note" not in frame.df.columns, "the project's own newest version is what is read as"


def test_an_id_of_another_schema_and_an_unknown_one_are_told_apart(near: Path, url: str) -> None:
    codec = Codec(connect(near, url, TOPICS), "flags")
    orders, nothing = (number.to_bytes(5, "big") for number in (103, 999))
    reasons = [bad.reason for bad in codec.decode(block([orders, nothing])).bad]
    assert "'shop.orders-value' version 1, not a version of 'flags'" in reasons[0]
    assert "schema id 999 is not registered" in reasons[1]


def test_an_unknown_id_is_asked_for_once_and_again_after_a_while(far: Path, url: str) -> None:
    clock = Hands()
    external = External(url, NAMES, clock)
    assert external.find(NEXT) is None
    add(far / "schemas", "flags", evolved(far, "flags", NOTE))
    assert external.find(NEXT) is None, "not asked again"
    clock.at += UNKNOWN_S
    found = external.find(NEXT)
    assert found is not None
    assert (found.name, found.version) == ("flags", 2)


def test_a_version_must_be_registered_there_before_it_is_used_here(near: Path, url: str) -> None:
    (near / "schemas/flags.v2.avsc").write_text(evolved(near, "flags", NOTE))
    register(near / "schemas")
    with pytest.raises(ConfigError, match=r"'flags' version 2 under 'platform\.flags-value'"):
        connect(near, url, TOPICS)
    text = (near / "schemas/flags.v2.avsc").read_text()
    sent = httpx.post(f"{url}/subjects/platform.flags-value/versions", json={"schema": text})
    assert sent.json() == {"id": NEXT}
    assert [one.id for one in connect(near, url, TOPICS).versions("flags")] == [106, NEXT]


def test_the_topology_names_it_and_no_text_shows_its_password(near: Path) -> None:
    text = (ROOT / "topology.yaml").read_text()
    address = "schema_registry: http://ann:${env:REGISTRY_PASSWORD}@127.0.0.1:"
    (near / "topology.yaml").write_text(f"{text}{address}{nobody_listens()}\n")
    declared = topology.load(near, {"REGISTRY_PASSWORD": "hidden"})
    with pytest.raises(Transient, match=r"schema registry .* does not answer") as caught:
        registry_of(near, declared)
    assert "hidden" not in str(caught.value)
