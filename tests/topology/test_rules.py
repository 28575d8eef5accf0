"""Rules in topology.yaml: every one that does not fit its schema is told, with its place."""

from __future__ import annotations

import pytest

from headrace.topology import examine
from tests.topology.test_load import TEXT, broken, root

__all__ = ["root"]

DECLARED = "status_is_http: {field: status, min: 100, max: 599, on_failure: dead_letter}"


@pytest.mark.parametrize(
    ("rule", "part", "wrong"),
    [
        ("{field: statuz, min: 100, on_failure: mark}", ".field", "no such field"),
        ("{field: route, min: 100, on_failure: mark}", ".min", "the field is String"),
        ("{field: route, pattern: '(', on_failure: mark}", ".pattern", "not a regular expression"),
        ("{check: 'status >', on_failure: mark}", ".check", "not an expression of SQL"),
        ("{check: 'status + 1', on_failure: mark}", ".check", "gives Int32, not true or false"),
        ("{field: status, on_failure: mark}", "", "has none"),
        ("{field: status, min: 100, on_failure: shout}", ".on_failure", "not valid"),
        ("{field: status, min: 100}", ".on_failure", "missing"),
        ("{field: status, minn: 100, on_failure: mark}", ".minn", "unknown key"),
        ("{field: status, min: low, on_failure: mark}", ".min", "not valid"),
        ("{field: status, one_of: [], on_failure: mark}", ".one_of", "not valid"),
    ],
)
def test_each_fault(root, rule, part, wrong):
    (problem,) = broken(root, DECLARED, f"status_is_http: {rule}")
    assert problem.path == f'topics."platform.requests".rules.status_is_http{part}'
    assert wrong in problem.wrong
    assert problem.fix
    assert problem.line == TEXT[: TEXT.index(DECLARED)].count("\n") + 1


def test_all_faults_are_told_at_once(root):
    text = TEXT.replace("field: price, min: 0", "field: prise, min: 0")
    text = text.replace("array_length(lines)", "sum(total)").replace("is: iso_4217", "is: iso")
    (root / "topology.yaml").write_text(text, encoding="utf-8")
    assert [p.value for p in examine(root)[1]] == [
        "prise", "type <> 'placed' OR sum(total) > 0", "iso",
    ]  # fmt: skip


def test_rules_are_on_the_newest_version_of_the_schema(root):
    newest = (root / "schemas/requests.avsc").read_text().replace('"status"', '"code"')
    (root / "schemas/requests.v10.avsc").write_text(newest)
    (root / "schemas/requests.v9.avsc").write_text("{}")
    (problem,) = (p for p in examine(root)[1] if ".rules." in p.path)
    assert problem.wrong == "the schema has no such field"
    assert "code" in problem.fix
