"""Confluent's API as its own clients use it, against a server process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from headrace.schema import Codec, Encoder, Registry
from tests.schema.cases import block
from tests.serve.server import ENV, project, served
from tests.strategies import TOPICS, event, line

MONEY = ("price", "total", "amount", "unit_price")
NOTE = {"name": "note", "type": ["null", "string"], "default": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with served(root) as address:
        yield address


@pytest.fixture
def client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url, "max.retries": 0})


def evolved(root: Path, name: str, *fields: Any) -> str:
    """The first version of a schema with fields more."""
    spec = json.loads((root / "schemas" / f"{name}.avsc").read_text())
    return json.dumps({**spec, "fields": [*spec["fields"], *fields]})


def test_the_client_finds_subjects_versions_and_ids(root: Path, client: Any) -> None:
    registry = Registry.load(root)
    subjects = client.get_subjects()
    assert subjects == sorted(f"{topic}-value" for topic in (*TOPICS, "platform.flags.eu"))
    latest = client.get_latest_version("shop.orders-value")
    assert (latest.version, latest.schema_id) == (1, registry.latest("orders").id)
    assert json.loads(latest.schema.schema_str) == registry.latest("orders").spec
    assert client.get_version("shop.orders-value", 1).schema_id == latest.schema_id
    assert client.get_versions("shop.orders-value") == [1]
    assert client.get_schema(latest.schema_id).schema_type == "AVRO"
    flags = registry.latest("flags").id
    both = ["platform.flags-value", "platform.flags.eu-value"]
    assert client.get_subjects_by_schema_id(flags) == both
    assert [found.subject for found in client.get_schema_versions(flags)] == both
    assert client.get_schema_types() == ["AVRO"]
    assert client.get_contexts() == ["."]
    assert client.get_compatibility() == "BACKWARD_TRANSITIVE"
    assert client.get_global_mode() == "READONLY"


def test_lookup_knows_a_schema_by_its_content_whatever_its_layout(root: Path, client: Any) -> None:
    spec = json.loads((root / "schemas/flags.avsc").read_text())
    spec["doc"] = "Told otherwise."
    found = client.lookup_schema("platform.flags.eu-value", Schema(json.dumps(spec, indent=7)))
    assert (found.schema_id, found.subject) == (6, "platform.flags.eu-value")
    with pytest.raises(SchemaRegistryError) as caught:
        client.lookup_schema("platform.flags-value", Schema(evolved(root, "flags", NOTE)))
    assert caught.value.error_code == 40403


def plain(topic: str) -> dict[str, Any]:
    """An event as fastavro, and so Confluent's serializer, takes it."""
    more = {"lines": [line("p1", price="2.50")]} if topic == "shop.orders" else {}
    return _decimals(event(topic, **more))


def _decimals(value: Any) -> Any:
    if isinstance(value, list):
        return [_decimals(item) for item in value]
    if isinstance(value, dict):
        return {k: Decimal(v) if k in MONEY else _decimals(v) for k, v in value.items()}
    return value


def same(one: Any, other: Any) -> bool:
    """Are the fields of ``one`` so in ``other``? Times as milliseconds."""
    if isinstance(one, dict):
        return all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return all(same(*pair) for pair in zip(one, other, strict=True))
    if hasattr(other, "timestamp"):
        return bool(one == round(other.timestamp() * 1000))
    return bool(one == other)


@pytest.mark.parametrize("registering", [True, False])
@pytest.mark.parametrize("topic", TOPICS)
def test_the_codec_reads_what_confluents_serializer_writes(
    root: Path, client: Any, topic: str, registering: bool
) -> None:
    """Its default, to register what it writes with, is answered with the id there is."""
    registry = Registry.load(root)
    name = topic.rpartition(".")[2]
    text = json.dumps(registry.latest(name).spec)
    serialize = AvroSerializer(client, text, conf={"auto.register.schemas": registering})
    context = SerializationContext(topic, MessageField.VALUE)
    value = serialize(plain(topic), context)

    frame = Codec(registry, name).decode(block([value]))

    assert frame.bad == []
    assert same(plain(topic), frame.df.to_dicts()[0])


@pytest.mark.parametrize("topic", TOPICS)
def test_confluents_deserializer_reads_what_the_encoder_writes(
    root: Path, client: Any, topic: str
) -> None:
    more = {"lines": [line("p1", price="2.50")]} if topic == "shop.orders" else {}
    encoder = Encoder(Registry.load(root), topic.rpartition(".")[2])
    value = encoder.encode(event(topic, **more))
    context = SerializationContext(topic, MessageField.VALUE)
    assert same(plain(topic), AvroDeserializer(client)(value, context))


def test_an_evolved_schema_is_registered_served_and_written_with(tmp_path: Path) -> None:
    root = project(tmp_path)
    with served(root, "--allow-register") as url:
        client = SchemaRegistryClient({"url": url, "max.retries": 0})
        text = evolved(root, "flags", NOTE)
        assert client.test_compatibility("platform.flags-value", Schema(text))
        old = Codec(Registry.load(root), "flags")
        serialize = AvroSerializer(client, text)  # registers
        value = serialize(
            {**plain("platform.flags"), "note": "new"},
            SerializationContext("platform.flags", MessageField.VALUE),
        )
        assert client.get_versions("platform.flags.eu-value") == [1, 2]
        assert client.get_latest_version("platform.flags-value").schema_id == 8
        assert client.get_global_mode() == "READWRITE"
    registry = Registry.load(root)
    assert Codec(registry, "flags").decode(block([value])).df["note"].to_list() == ["new"]
    assert "note" not in old.decode(block([value])).df.columns
    assert old.decode(block([value])).bad == []


def test_what_breaks_is_refused_with_its_reason(tmp_path: Path) -> None:
    root = project(tmp_path)
    before = (root / "schemas/registry.json").read_text()
    required = Schema(evolved(root, "flags", {"name": "note", "type": "string"}))
    with served(root, "--allow-register") as url:
        client = SchemaRegistryClient({"url": url, "max.retries": 0})
        with pytest.raises(SchemaRegistryError) as caught:
            client.register_schema("platform.flags-value", required)
        assert (caught.value.http_status_code, caught.value.error_code) == (409, 409)
        assert "field 'note' is not in the writer's schema" in caught.value.error_message
        assert not client.test_compatibility("platform.flags-value", required)
        answer = httpx.post(
            f"{url}/compatibility/subjects/platform.flags-value/versions/latest?verbose=true",
            json={"schema": required.schema_str},
        ).json()
        assert not answer["is_compatible"]
        assert "give it a default" in answer["messages"][0]
    assert (root / "schemas/registry.json").read_text() == before
    assert not (root / "schemas/flags.v2.avsc").exists()


def test_what_others_lock_is_served_at_once(tmp_path: Path) -> None:
    root = project(tmp_path)
    with served(root) as url:
        assert httpx.get(f"{url}/subjects/platform.flags-value/versions").json() == [1]
        (root / "schemas/flags.v2.avsc").write_text(evolved(root, "flags", NOTE))
        subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", "schemas", "register"],
            cwd=root, env=ENV, check=True, capture_output=True,
        )  # fmt: skip
        assert httpx.get(f"{url}/subjects/platform.flags-value/versions").json() == [1, 2]
        (root / "schemas/flags.v2.avsc").write_text("{}")
        lock = root / "schemas/registry.json"
        lock.write_text(lock.read_text() + "\n")
        broken = httpx.get(f"{url}/subjects")
        assert (broken.status_code, broken.json()["error_code"]) == (500, 50001)
        assert "flags" in broken.json()["message"]


FLAGS = "/subjects/platform.flags-value"
EMPTY = {"schema": '{"type": "record", "name": "X", "fields": []}'}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/subjects/none-value/versions", None, 404, 40401),
        ("GET", f"{FLAGS}/versions/9", None, 404, 40402),
        ("GET", f"{FLAGS}/versions/0", None, 422, 42202),
        ("GET", f"{FLAGS}/versions/newest", None, 422, 42202),
        ("GET", "/schemas/ids/99", None, 404, 40403),
        ("GET", "/schemas/ids/x", None, 422, 422),
        ("GET", "/config/platform.flags-value", None, 404, 40408),
        ("GET", "/mode/platform.flags-value", None, 404, 40409),
        ("GET", "/nothing", None, 404, 404),
        ("DELETE", FLAGS, None, 405, 405),
        ("PUT", "/config", {"compatibility": "NONE"}, 405, 405),
        ("POST", FLAGS, EMPTY, 404, 40403),
        ("POST", "/subjects/none-value", EMPTY, 404, 40401),
        ("POST", f"{FLAGS}/versions", EMPTY, 422, 42205),
        ("POST", f"{FLAGS}/versions", {"schema": "{"}, 422, 42201),
        ("POST", f"{FLAGS}/versions", {"schema": "[" * 10_000}, 422, 42201),
        ("POST", f"{FLAGS}/versions", {"schema": '"string"'}, 422, 42201),
        ("POST", f"{FLAGS}/versions", {**EMPTY, "schemaType": "JSON"}, 422, 42201),
        ("POST", f"{FLAGS}/versions", {**EMPTY, "references": [{"name": "x"}]}, 422, 42201),
        ("POST", f"{FLAGS}/versions", {}, 422, 422),
        ("POST", f"/compatibility{FLAGS}/versions/9", EMPTY, 404, 40402),
    ],
)
def test_errors_have_confluents_status_and_code(
    url: str, method: str, path: str, body: Any, status: int, code: int
) -> None:
    answer = httpx.request(method, url + path, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["message"]
    met = answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    # Where no route is met, the app's own form of errors carries the API's members as well.
    assert met or (answer.json()["type"].startswith("/problems/") and code in {404, 405})


def test_what_consoles_ask_for(url: str) -> None:
    def get(path: str) -> Any:
        answer = httpx.get(url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert get("/") == {}
    assert get(f"{FLAGS}/versions/latest/schema")["name"] == "FlagEvent"
    assert get("/schemas/ids/6/schema") == get(f"{FLAGS}/versions/1/schema")
    assert get(f"{FLAGS}/versions/1/referencedby") == []
    assert len(get("/schemas")) == len(get("/subjects")) == 7
    assert get("/subjects?subjectPrefix=shop.o") == ["shop.orders-value"]
    level = {"compatibilityLevel": "BACKWARD_TRANSITIVE"}
    assert get("/config/shop.orders-value?defaultToGlobal=true") == level
    assert get("/mode/shop.orders-value?defaultToGlobal=true") == {"mode": "READONLY"}


def test_a_port_in_use_is_misuse(root: Path, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "serve", "--port", url.rpartition(":")[2]],
        cwd=root, env=ENV, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "choose another --host or --port" in done.stderr
