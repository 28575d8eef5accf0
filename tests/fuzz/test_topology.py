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
declared:
  d:
    from: {t: {where: "variant = 'a' AND schema_version > 0.5", map: {m: "schema_version // 2"}}}
    key: [user_id]
    window: {every: 1m, length: 5m, name: w}
    fields:
      n: {count: true}
      s: {sum: m, where: m < 3}
      q: {quantiles: m, levels: [0.5]}
      h: {histogram: schema_version, bounds: [1, 2.5]}
      l: {last: variant}
    keep: clickhouse
  e:
    from: t
    key: [variant]
    fields:
      x: {decayed: schema_version, by: flag, half_life_hours: 1, landmark: 2026-01-01T00:00:00Z}
      y: {newest: flag, n: 3}
    keep: {redis: {keyspace: "e:f", rings: {}}}
"""
TOKENS = [
    b"&a ", b"*a", b"<<: *a", b"!!timestamp x", b"!!int ''", b"!!bool x", b"!!float ",
    b"!!binary x", b"!!python/object:os.system ", b"? ", b"[", b"]", b"{", b"}", b": ", b"- ",
    b"\n", b"\n  ", b"|", b"${env:HOME}", b"${", b"}", b"''", b'"', b"\\x00", b"\0", b"\xff",
    b"%YAML 9.9\n", b"---\n", b"...", b"1e999", b"9" * 400, b".nan", b"0x", b"1_", b"1:1",
    b"null", b"true", b"~", b"'", b"(", b"\\d+", b"CAST(user_id AS INT) > 1", b"(((((", b" OR ",
    b"SELECT ", b"SUM(n)", b"CASE WHEN ", b"calendar: day", b"gap: 1m", b"9999999999999999999999",
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
