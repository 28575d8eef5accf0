"""Broken topologies: every problem is found, with its line, its path and the fix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import topology
from headrace.errors import ConfigError
from headrace.topology import checks, examine

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "topology.yaml").read_text(encoding="utf-8")

#: A view that is written by hand; the project's own are declared.
VIEW = "  views: {{v: {{columns: {{route: String}}, order_by: [{}], from: {{{}: SELECT 1}}}}}}\n"


@pytest.fixture
def root(tmp_path):
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "topology.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def broken(root, old, new, count=1):
    assert old in TEXT
    text = TEXT.replace(old, new, count)
    (root / "topology.yaml").write_text(text, encoding="utf-8")
    return examine(root)[1]


def line_of(text):
    return TEXT[: TEXT.index(text)].count("\n") + 1


def test_the_project_s_own_topology_is_right(root):
    declared = topology.load(root)
    assert declared.partitions("shop.orders") == 4
    assert declared.agents_of("platform.flags") == ("analytics",)
    assert checks.warnings(declared) == []


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong", "fix"),
    [
        ("max_rows: 65536", "max_rowz: 1", "delivery.max_rowz", "unknown key", "'max_rows'"),
        ("partitions: 4", "partitions: four", "defaults.partitions", "not valid", "integer"),
        ("partitions: 4", "partitions: 0", "defaults.partitions", "not valid", "greater than"),
        ("engine: plain ", "engine: fancy ", "clickhouse.engine", "not valid", "'replicated'"),
        ("key: tenant", "key: tenand", 'topics."platform.requests".key', "no such field", "tenant"),
        ("schema: flags", "schema: flagz", 'topics."platform.flags".schema', "no schemas/", "flags"),
        ("key: tenant", "key: status", 'topics."platform.requests".key', "plain string", "another"),
        ("shop.orders, shop.payments]", "shop.order, shop.payments]",
         "agents.views.reads.2", "no such topic", "shop.orders"),
        ("flags]}\n", "flugs]}\n", "agents.analytics.writes.tables.5", "not one of", "flags"),
        ('"product:card"]}', '"product:cart"]}', "agents.views.writes.keyspaces.3", "not one", "card"),
        ('[order, "order:history"', '[user, "order:history"', "agents.views.writes.keyspaces.0",
         "'activity' writes it already", "another target"),
        ("{topic: shop.catalog, order", "{topic: shop.kat, order", "clickhouse.tables.catalog.topic",
         "no such topic", "shop.catalog"),
        ("order_by: [route, occurred_at]", "order_by: [root, occurred_at]",
         "clickhouse.tables.requests.order_by.0", "no such field", "route"),
        ("  tables:\n    catalog:", VIEW.format("rout", "flags") + "  tables:\n    catalog:",
         "clickhouse.views.v.order_by.0", "not a column", "route"),
        ("  tables:\n    catalog:", VIEW.format("route", "fags") + "  tables:\n    catalog:",
         "clickhouse.views.v.from.fags", "no such table", "flags"),
        ('doc: "Money authorised, captured, refunded"', "partitions: 8",
         "agents.views.reads", "unequal partition counts", "equal counts"),
        ("name: headrace ", "name: ${env:NO_SUCH_NAME} ", "name", "is not set", "set NO_SUCH_NAME"),
        ("name: headrace ", "name: ${HOME} ", "name", "is not a reference", "${env:NAME}"),
        ("min_delay_ms: 20 ", "min_delay_ms: 6000 ", "delivery.min_delay_ms",
         "more than max_delay_ms (5000)", "at most 5000"),
        ("prefix: hr", "prefix: '9 x'", "redis.prefix", "not a legal name", "matches"),
    ],
)  # fmt: skip
def test_each_rule(root, old, new, path, wrong, fix):
    problems = broken(root, old, new)
    found = next(p for p in problems if p.path == path)
    assert wrong in found.wrong
    assert fix in found.fix
    expected = line_of(old) + (1 if old.startswith("      from") else 0)  # the key's own line
    if path == "agents.views.reads":
        expected = line_of("reads: [shop.catalog, shop.sessions, shop.orders, shop.payments]")
    assert found.line == expected
    assert str(found).startswith(f"topology.yaml:{found.line}:{found.column}: {path}: ")


def test_what_a_declaration_makes_is_told_at_the_declaration(root):
    old = "{schema: sessions, key: user_id,"
    problems = broken(root, old, f"{old} partitions: 8,")
    found = {p.path: p for p in problems}["declared.activity.from"]
    assert "(shop.sessions 8, shop.orders 4)" in found.wrong
    assert found.line == line_of("from: {shop.sessions: {}, shop.orders")


@pytest.mark.parametrize(
    ("declared", "path", "wrong"),
    [
        ("dedupe: {key: event, window: 10}", "dedupe.key", "no such field"),
        ("dedupe: {key: value, window: 10}", "dedupe.key", "not a plain string"),
        ("dedupe: {key: event_id, window: 0}", "dedupe.window", "not valid"),
        ("dedupe: {key: event_id, window: 10}, compacted: true", "dedupe", "compaction takes away"),
    ],
)
def test_dedupe(root, declared, path, wrong):
    schema = root / "schemas/flags.avsc"
    text = schema.read_text().replace(
        '"fields": [', '"fields": [{"name": "value", "type": "long"},'
    )
    schema.write_text(text)
    old = "{schema: flags, key: user_id,"
    problems = broken(root, old, f"{old} {declared},")
    assert [(p.path, wrong in p.wrong) for p in problems] == [
        (f'topics."platform.flags".{path}', True)
    ]


def test_missing_and_duplicate_keys(root):
    problems = broken(root, "version: 1\n", "")
    assert [(p.path, p.wrong) for p in problems] == [("version", "missing")]
    (duplicate,) = broken(root, "version: 1\n", "version: 1\nversion: 1\n")
    assert "stands twice" in duplicate.wrong
    assert duplicate.line == line_of("version: 1") + 1


def test_the_dead_letters_of_one_topic_are_not_another_topic(root):
    extra = "topics:\n  shop.orders.dlq: {schema: orders, key: user_id}\n"
    problems = broken(root, "topics:\n", extra)
    assert any("dead-letter topic of 'shop.orders'" in p.wrong for p in problems)


def test_the_audit_s_topic_and_table_are_not_the_topology_s(root):
    extra = "topics:\n  headrace.audit: {schema: orders, key: user_id}\n"
    problems = broken(root, "topics:\n", extra)
    assert any("is the audit's topic" in p.wrong for p in problems)
    extra = "  tables:\n    audit: {topic: shop.orders, order_by: [user_id]}\n"
    problems = broken(root, "  tables:\n", extra)
    found = next(p for p in problems if p.path == "clickhouse.tables.audit")
    assert found.wrong == "is the audit's table"


def test_a_table_whose_topic_its_agent_does_not_read(root):
    problems = broken(root, "platform.requests, platform.flags]", "platform.requests]")
    assert any(p.path == "clickhouse.tables.flags.topic" for p in problems)


def test_many_problems_are_told_at_once(root):
    text = TEXT.replace("partitions: 4", "partitions: four").replace("max_rows:", "max_rowz:")
    text = text.replace("key: tenant", "kee: tenant").replace("version: 1", "version: 2")
    (root / "topology.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        topology.load(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "5 problems in the topology:"
    assert len(lines) == 6


def test_files_that_are_no_topology(root):
    path = root / "topology.yaml"
    for content, wrong in (
        (b"a: [1, 2", "not YAML"),
        (b"\xff\xfe\x00", "decode"),
        (b"", "valid"),
        (b"- 1\n- 2\n", "valid"),
    ):
        path.write_bytes(content)
        problems = examine(root)[1]
        assert wrong in str(problems[0]), content
    path.unlink()
    assert "no such file" in str(examine(root)[1][0])


def test_schemas_that_do_not_parse(root):
    (root / "schemas/flags.avsc").write_text("{")
    (root / "schemas/orders.avsc").write_text('{"type": "record", "name": "X"}')
    wrong = {p.value: p.wrong for p in examine(root)[1]}
    assert "is not JSON" in wrong["flags"]
    assert "is not Avro" in wrong["orders"]


def test_what_is_declared_and_not_used_is_a_warning(root):
    text = TEXT.replace(", platform.flags]", "]").replace(", flags]}", "]}")
    (root / "topology.yaml").write_text(text, encoding="utf-8")
    found, problems = examine(root)
    assert problems == []
    assert checks.warnings(found) == [
        "topic 'platform.flags' is read by no agent",
        "table 'flags' is written by no agent",
    ]


def paths(value, at=()):
    yield at
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, (*at, key))
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from paths(child, (*at, i))


PLAIN = yaml.safe_load(TEXT)
ALL = [p for p in paths(PLAIN) if p]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)  # fmt: skip


@settings(max_examples=60)
@given(st.sampled_from(ALL), JUNK)
def test_any_single_wrong_value_loads_or_is_a_config_error(tmp_path_factory, at, junk):
    root = tmp_path_factory.mktemp("any")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    damaged = yaml.safe_load(TEXT)
    place = damaged
    for part in at[:-1]:
        place = place[part]
    place[at[-1]] = junk
    (root / "topology.yaml").write_text(yaml.safe_dump(damaged), encoding="utf-8")
    try:
        topology.load(root)
    except ConfigError as error:
        told = str(error)
    else:
        return
    assert "topology.yaml:" in told
