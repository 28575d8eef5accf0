"""deploy/connect asked of the real Kafka Connect: each file right, each mistake named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from headrace import endpoints
from headrace.errors import ConfigError
from headrace.stack.connect import PROPERTIES
from headrace.sync.connectors import Connectors
from headrace.sync.outbox import ddl
from tests.serve.server import ROOT
from tests.sync.old_shop import OldShop

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(200)]
FILES = sorted((ROOT / "deploy/connect").glob("*.json"))


@pytest.fixture
def connectors(old_shop: OldShop) -> Iterator[Connectors]:
    old_shop.sql(ddl())
    with old_shop.environment():
        yield Connectors(endpoints.optional("connect", old_shop.root))


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((ROOT / f"deploy/connect/{name}.json").read_bytes())
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_is_right(connectors: Connectors, file: Any) -> None:
    assert connectors.problems(file.stem, read(file.stem)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"snapshot.mode": "sometimes"}, "snapshot.mode"),
        ({"slot.name": "Not A Slot"}, "slot.name"),
        ({"database.dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"value.converter": "no.such.Converter"}, "value.converter"),
        ({"exactly.once.support": "perhaps"}, "exactly.once.support"),
    ],
)
def test_a_mistake_is_told_before_anything_is_deployed(
    connectors: Connectors, change: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        connectors.put("wrong", read("legacy") | change, 30)
    assert "wrong" not in [state.name for state in connectors.states()]


def test_a_plugin_that_the_worker_lacks_is_told(connectors: Connectors) -> None:
    with pytest.raises(ConfigError, match="SqlServerConnector"):
        connectors.problems("x", {"connector.class": "io.debezium.sqlserver.SqlServerConnector"})


def test_connectors_beside_each_other_stream_at_once_and_share_no_prefix(
    old_shop: OldShop, connectors: Connectors
) -> None:
    names = ("one", "other")
    files = {name: read("outbox") | {"topic.prefix": name, "slot.name": name} for name in names}
    try:
        for name in names:
            connectors.put(name, files[name], 30)
        old_shop.wait_for(lambda: streaming(old_shop) >= set(names), "both stream")
        with pytest.raises(ConfigError, match="'one' is that of connector 'one'"):
            connectors.put("third", files["one"] | {"slot.name": "third"}, 30)
        assert "third" not in [state.name for state in connectors.states()]
        assert connectors.put("one", files["one"], 30).healthy  # its own is not another's
    finally:
        for name in names:
            connectors.delete(name)
        old_shop.wait_for(lambda: not streaming(old_shop) & set(names), "both have ended")
        for name in names:
            old_shop.sql(f"SELECT pg_drop_replication_slot('{name}')")


def streaming(shop: OldShop) -> set[str]:
    """The slots that are being read."""
    with shop.connect() as session:
        rows = session.execute("SELECT slot_name FROM pg_replication_slots WHERE active").fetchall()
    return {name for (name,) in rows}


def test_the_worker_of_production_differs_from_the_local_one_where_it_must() -> None:
    def properties(text: str) -> dict[str, str]:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)

    ours = properties((ROOT / "deploy/connect/worker.properties").read_text())
    local = properties(PROPERTIES)
    both = ours.keys() & local.keys()
    assert {name for name in both if ours[name] != local[name]} == {
        "bootstrap.servers", "listeners", "config.storage.replication.factor",
        "offset.storage.replication.factor", "status.storage.replication.factor",
        "config.providers.env.param.allowlist.pattern",
    }  # fmt: skip
    assert ours["exactly.once.source.support"] == "enabled"
