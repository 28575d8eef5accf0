"""Any request to the registry's API: an answer of its own forms, and a lock that still loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import strategies as st
from starlette.testclient import TestClient

from headrace.schema import Registry
from headrace.serve.app import create
from tests.fuzz.hunt import SHARE_S, Target, bounded, hunt, kept, mangled
from tests.serve.server import ROOT, project

SCHEMAS = [path.read_bytes() for path in sorted((ROOT / "schemas").glob("*.avsc"))]
METHODS = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
FLAGS = (ROOT / "schemas/flags.avsc").read_text()


def _body(text: str, **more: object) -> bytes:
    return orjson.dumps({"schema": text, **more})


SEEDS = [
    b"GET /subjects?subjectPrefix=platform\n",
    b"POST /subjects/platform.flags-value\n" + _body(FLAGS),
    b"POST /subjects/platform.flags-value/versions\n" + _body(FLAGS, schemaType="AVRO"),
    b"GET /subjects/platform.flags-value/versions/latest/schema\n",
    b"POST /compatibility/subjects/platform.flags-value/versions/1?verbose=true\n" + _body(FLAGS),
    b"POST /compatibility/subjects/platform.flags-value/versions\n"
    + _body('{"type":"record","name":"A","fields":[{"name":"a","type":["null","A"]}]}'),
    b"PUT /config/platform.flags-value\n" + orjson.dumps({"compatibility": "FULL"}),
    b"GET /schemas/ids/1?fetchMaxId=true\n",
    b"GET /schemas/ids/2147483648/versions\n",
    b"GET /mode/platform.flags-value\n",
    b"DELETE /subjects/platform.flags-value/versions/1?permanent=true\n",
]
TOKENS = [
    b"/subjects/", b"/versions/", b"-value", b"/schemas/ids/", b"/config", b"latest", b"-1",
    b"999999999999999999999", b"%2F", b"%00", b"..", b"?", b"&", b'"schema":', b"null", b"[", b"{",
    b'"' * 3, b"\\\\", b'\\"', b"[" * 300, b"true", b'"references":[{}]',
    b'"schemaType":"PROTOBUF"', b'{\\"type\\":\\"array\\",\\"items\\":' * 30, b"\\ud800", b"\xff",
    b"POST ", b"\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Method, path and query on a line, the body behind it; registering is allowed."""
    root = project(tmp_path_factory.mktemp("registry"))
    app = create(root, allow_register=True)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=True) as client:
        yield lambda data: _ask(client, root, data)


def _ask(client: TestClient, root: Path, data: bytes) -> None:
    line, _, body = data.partition(b"\n")
    method, _, place = line.decode("latin-1").partition(" ")
    # What a server's parser of HTTP refuses does not come this far.
    place = "/" + re.sub(r"[^!-~]", "", place).lstrip("/")
    before = (root / "schemas/registry.json").read_bytes()
    answer = client.request(
        method if method in METHODS else "POST", place, content=body,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.json()["error_code"]
        assert answer.json()["message"]
    if (root / "schemas/registry.json").read_bytes() != before:
        assert answer.status_code == 200
        Registry.load(root)


@pytest.mark.parametrize("data", kept("registry_api"))
def test_kept(target: Target, data: bytes) -> None:
    bounded(target, data)


@pytest.mark.timeout(SHARE_S + 300)
def test_hunt(target: Target) -> None:
    lines, bodies = zip(*(seed.split(b"\n", 1) for seed in SEEDS), strict=True)
    mended = st.tuples(st.sampled_from(lines), mangled([body for body in bodies if body], TOKENS))
    schemas = st.tuples(st.sampled_from(lines), mangled(SCHEMAS, TOKENS).map(_quoted))
    hunt(target, mangled(SEEDS, TOKENS) | (mended | schemas).map(b"\n".join))


def _quoted(schema: bytes) -> bytes:
    return _body(schema.decode("latin-1"))
