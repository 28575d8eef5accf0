"""What is said of schemas and topologies whose private fields can't be kept private."""

from __future__ import annotations

import copy

import pytest

from headrace import topology
from headrace.topology import examine
from tests.private import project
from tests.private.project import TOPIC


def problems(root, change):
    declared, schema = copy.deepcopy(project.TOPOLOGY), copy.deepcopy(project.SCHEMA)
    change(declared, {f["name"]: f for f in schema["fields"]})
    project.write(root, declared, schema)
    return [str(problem) for problem in examine(root)[1]]


def test_the_project_of_these_tests_is_right(tmp_path):
    project.write(tmp_path)
    assert topology.load(tmp_path).of_persons() == {TOPIC: "user_id"}


def nested(_, fields):
    inner = [{"name": "street", "type": "string", "pii": True}]
    record = {"type": "record", "name": "Address", "fields": inner}
    fields["device"] |= {"type": ["null", {"type": "array", "items": record}], "pii": False}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda t, _: t["topics"][TOPIC].pop("person"), "field 'email' of schema 'customers' is"),
        (lambda t, _: t["topics"][TOPIC].update(person="mail"), "is not a plain string field"),
        (lambda t, _: t["topics"][TOPIC].update(person="phone"), "is not a plain string field"),
        (lambda t, _: t["topics"][TOPIC].update(person="email"), "has 'pii' itself"),
        (lambda t, _: t["topics"][TOPIC].update(key="email"), "equal values differ in the log"),
        (
            lambda t, _: t["topics"][TOPIC].update(dedupe={"key": "email", "window": 9}),
            "equal values differ in the log",
        ),
        (lambda _, f: f["email"].update(pii="yes"), "has 'pii': 'yes'; write true or"),
        (lambda _, f: f["at"].update(pii=True), "field 'at' with 'pii' is of type"),
        (lambda _, f: f["phone"].update(type=["null", "string", "int"]), "field 'phone' with"),
        (lambda _, f: f["device"].update(type="bytes", default=""), "only string, plain or"),
        (nested, "field 'device.street' is within another field"),
        (
            lambda t, _: t["redis"]["keyspaces"]["order"].update(person="order"),
            "is not a plain string field of a topic that declares person",
        ),
    ],
)
def test_what_can_t_be_kept_private_is_told(tmp_path, change, wrong):
    found = problems(tmp_path, change)
    assert any(wrong in problem for problem in found), found
