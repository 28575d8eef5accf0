"""Any bytes as topology.yaml: a topology, or problems that say where."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from headrace.topology import examine
from tests.fuzz.hunt import SHARE_S, bounded, hunt, kept, mangled
from tests.topology.test_load import ROOT, TEXT

SMALL = b"""version: 1
name: small
topics:
  t:
    schema: flags
    key: user_id
    dedupe: {key: event_id, window: 10}
    rules:
      r: {check: "user_id <> ''", on_failure: mark}
      s: {field: variant, one_of: [a, b], on_failure: stop}
      u: {field: schema_version, min: 1, max: 2.5, on_failure: dead_letter}
agents:
  a: {function: "m:f", reads: [t], writes: {tables: [o], keyspaces: [k]}}
clickhouse:
  tables: {o: {topic: t, order_by: [user_id]}}
  views: {v: {columns: {n: Int64}, order_by: [n], from: {o: "SELECT 1"}}}
redis: {keyspaces: {k: {type: hash, located: true}}}
"""
TOKENS = [
    b"&a ", b"*a", b"<<: *a", b"!!timestamp x", b"!!int ''", b"!!bool x", b"!!float ",
    b"!!binary x", b"!!python/object:os.system ", b"? ", b"[", b"]", b"{", b"}", b": ", b"- ",
    b"\n", b"\n  ", b"|", b"${env:HOME}", b"${", b"}", b"''", b'"', b"\\x00", b"\0", b"\xff",
    b"%YAML 9.9\n", b"---\n", b"...", b"1e999", b"9" * 400, b".nan", b"0x", b"1_", b"1:1",
    b"null", b"true", b"~", b"'", b"(", b"\\d+", b"CAST(user_id AS INT) > 1", b"(((((", b" OR ",
    b"SELECT ",
]  # fmt: skip


def target(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "topology.yaml").write_bytes(data)
        (root / "schemas").symlink_to(ROOT / "schemas")
        topology, problems = examine(root, {})
        assert (topology is not None) or problems
        for problem in problems:
            assert problem.line >= 1
            assert problem.wrong
            assert str(problem)


@pytest.mark.parametrize("data", kept("topology"))
def test_kept(data: bytes) -> None:
    bounded(target, data)


@pytest.mark.timeout(SHARE_S + 300)
def test_hunt() -> None:
    hunt(target, mangled([SMALL, TEXT.encode()], TOKENS))
