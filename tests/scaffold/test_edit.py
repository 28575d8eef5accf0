"""An entry is added without another byte of the document being touched."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.scaffold.edit import has, insert

TOPOLOGY = (Path(__file__).parents[2] / "topology.yaml").read_text(encoding="utf-8")
ENTRY = "new_one:\n  doc: One   # of these\n  sql: |\n    SELECT 1\n"
SECTIONS = [
    ("topics",), ("agents",), ("clickhouse", "tables"), ("clickhouse", "views"),
    ("redis", "keyspaces"), ("metrics",), ("serve", "views"), ("serve", "panels"),
    ("anomalies", "watches"), ("declared",), ("some", "where", "else"),
]  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_only_lines_are_added(section: tuple[str, ...]):
    after = insert(TOPOLOGY, section, ENTRY)
    changes = difflib.ndiff(TOPOLOGY.splitlines(), after.splitlines())
    assert not [line for line in changes if line.startswith("- ")]
    at = yaml.safe_load(after)
    for key in section:
        at = at[key]
    assert at["new_one"] == {"doc": "One", "sql": "SELECT 1\n"}
    assert has(after, (*section, "new_one"))
    assert not has(TOPOLOGY, (*section, "new_one"))


_names = st.text("abc", min_size=1, max_size=3)
_values = st.recursive(
    st.integers() | st.sampled_from(["a b", "x: y", "# no comment", "l1\nl2\n", "", "ö"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(_names, st.dictionaries(_names, _values, min_size=1, max_size=3), min_size=1),
    st.data(),
)
def test_any_document_in_blocks(document: dict[str, dict], data: st.DataObject):
    indent = data.draw(st.sampled_from([2, 4]))
    text = yaml.safe_dump(document, sort_keys=False, indent=indent, allow_unicode=True)
    text = text.rstrip("\n") + data.draw(st.sampled_from(["", "\n", "\n\n\n", "\n# the end\n"]))
    section = data.draw(st.sampled_from(sorted(document)))
    after = insert(text, (section,), ENTRY)
    added = yaml.safe_load(ENTRY)
    assert yaml.safe_load(after) == {**document, section: {**document[section], **added}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metrics: {a: {b: c}}\n", r"topology.yaml:1: metrics: is not written as a block"),
        ("a: 1\nmetrics:\n", r"topology.yaml:2: metrics: is not written as a block"),
        ("- a\n", "is no mapping"),
        ("", "is no mapping"),
    ],
)
def test_what_can_not_take_an_entry(text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        insert(text, ("metrics",), ENTRY)


def test_comments_stay_where_they_are():
    text = "a:\n  x: 1  # of x\n  # below x\n\n# of b\nb:\n  y: |\n    text\n    # in it\n\n# end\n"
    assert insert(text, ("a",), "n: 2\n") == text.replace("# of x\n", "# of x\n  n: 2\n")
    assert insert(text, ("b",), "n: 2\n") == text.replace("in it\n", "in it\n  n: 2\n")
