from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headrace.errors import ConfigError, Transient
from headrace.schema import Registry
from headrace.schema.compatibility import Incompatible, Level
from headrace.schema.lock import load
from headrace.schema.register import add, pending, register
from headrace.schema.registry import canonical, fingerprint, parse
from tests.schema.cases import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


def edit(path: Path, change: Any) -> None:
    spec = json.loads(path.read_text())
    change(spec)
    path.write_text(json.dumps(spec))


def test_the_projects_registry() -> None:
    registry = Registry.load(ROOT)
    ids = {name: registry.latest(name).id for name in registry.names}
    assert ids == {
        "catalog": 1,
        "sessions": 2,
        "orders": 3,
        "payments": 4,
        "requests": 5,
        "flags": 6,
        "alerts": 7,
    }
    assert registry.by_id(3) is registry.latest("orders")
    assert registry.subject("shop.orders") == "shop.orders-value"


def test_columns_say_what_an_agent_gets() -> None:
    columns = {column.name: column for column in Registry.load(ROOT).latest("sessions")}
    assert columns["quantity"].dtype == pl.Int32
    assert columns["quantity"].nullable
    assert not columns["user_id"].nullable
    assert columns["device"].dtype == pl.Enum(["desktop", "mobile", "tablet", "app"])
    assert "Id of the user" in columns["user_id"].doc


def test_props_are_kept(project: Path) -> None:
    edit(project / "schemas/flags.avsc", lambda s: s["fields"][5].update(pii=True))
    with pytest.raises(ConfigError, match=r"flags\.avsc: content"):
        Registry.load(project)


def test_every_difference_is_listed(project: Path) -> None:
    schemas = project / "schemas"
    edit(schemas / "flags.avsc", lambda s: s["fields"].pop())
    (schemas / "orders.avsc").unlink()
    (schemas / "extra.avsc").write_text('{"type": "record", "name": "X", "fields": []}')
    (schemas / "payments.avsc").write_text('{"type": "record"}')
    with pytest.raises(ConfigError) as caught:
        Registry.load(project)
    text = str(caught.value)
    assert "flags.avsc: content" in text
    assert "orders.avsc: missing" in text
    assert "(id 3)" in text
    assert "extra.avsc: not in registry.json; register it with 'headrace schemas register'" in text
    assert "payments: not an Avro schema" in text


def test_clashing_ids_and_versions(project: Path) -> None:
    def clash(lock: Any) -> None:
        lock["subjects"]["flags"][0]["id"] = 3
        lock["subjects"]["catalog"][0]["version"] = 2

    edit(project / "schemas/registry.json", clash)
    with pytest.raises(ConfigError) as caught:
        Registry.load(project)
    assert "'flags' version 1 in registry.json has id 3, which 'orders' version 1 has" in str(
        caught.value
    )
    assert "stands at place 1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{}", "subjects: Field required"),
        ('{"subjects": {"a": [{"version": 0}]}}', "subjects.a.0.version"),
    ],
)
def test_a_malformed_lock(project: Path, text: str, reason: str) -> None:
    (project / "schemas/registry.json").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        Registry.load(project)


def test_a_missing_lock(project: Path) -> None:
    (project / "schemas/registry.json").unlink()
    with pytest.raises(ConfigError, match="missing; write it with"):
        Registry.load(project)


def test_unknown_names_and_ids() -> None:
    registry = Registry.load(ROOT)
    with pytest.raises(ConfigError, match="no schema 'order' in schemas/: there are alerts"):
        registry.latest("order")
    with pytest.raises(ConfigError, match="schema id 77 is not in"):
        registry.by_id(77)
    assert registry.find(77) is None


FIELD = {"name": "f", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0}


@pytest.mark.parametrize(
    "other",
    [
        {**FIELD, "default": 1},
        {**FIELD, "type": "long"},
        {**FIELD, "aliases": ["g"]},
        {**FIELD, "pii": True},
        {**FIELD, "default": {"doc": "data"}},
    ],
)
def test_the_fingerprint_sees_what_a_reader_sees(other: Any) -> None:
    assert fingerprint({"fields": [FIELD]}) != fingerprint({"fields": [other]})


def test_the_fingerprint_ignores_docs_and_layout() -> None:
    documented = dict(reversed(FIELD.items())) | {"doc": "Something."}
    assert canonical([FIELD]) == canonical([documented])


def test_registering_a_new_version(project: Path) -> None:
    schemas = project / "schemas"
    (schemas / "flags.v2.avsc").write_text(noted(schemas))
    assert [schema.title for schema in pending(schemas)] == ["'flags' version 2"]
    assert register(schemas) == ["'flags' version 2 (id 8): flags.v2.avsc"]
    registry = Registry.load(project)
    assert registry.latest("flags").id == 8
    assert [schema.version for schema in registry.versions("flags")] == [1, 2]
    assert register(schemas) == []


def test_an_incompatible_version_is_refused(project: Path) -> None:
    schemas = project / "schemas"
    before = (schemas / "registry.json").read_text()
    spec = json.loads((schemas / "flags.avsc").read_text())
    spec["fields"].append({"name": "note", "type": "string"})
    (schemas / "flags.v2.avsc").write_text(json.dumps(spec))
    for refused in (pending, register):
        with pytest.raises(Incompatible, match=r"flags\.v2\.avsc: .* 'note' .* no default"):
            refused(schemas)
    assert (schemas / "registry.json").read_text() == before


def test_registering_writes_the_projects_lock(project: Path) -> None:
    (project / "schemas/registry.json").unlink()
    register(project / "schemas")
    assert Registry.load(project).names == Registry.load(ROOT).names


def noted(schemas: Path) -> str:
    """The flags' schema with an optional field more."""
    spec = json.loads((schemas / "flags.avsc").read_text())
    spec["fields"].append({"name": "note", "type": ["null", "string"], "default": None})
    return json.dumps(spec)


def test_a_lock_without_levels_is_backward_transitive(project: Path) -> None:
    """As locks were before levels."""
    edit(project / "schemas/registry.json", lambda lock: lock.pop("compatibility", None))
    edit(project / "schemas/registry.json", lambda lock: lock.pop("levels", None))
    assert load(project / "schemas").level("flags") is Level.BACKWARD_TRANSITIVE
    assert Registry.load(project).names


def test_a_schema_may_have_a_level_of_its_own(project: Path) -> None:
    schemas = project / "schemas"
    edit(schemas / "registry.json", lambda lock: lock.update(levels={"flags": "FULL"}))
    spec = json.loads((schemas / "flags.avsc").read_text())
    spec["fields"].pop()
    (schemas / "flags.v2.avsc").write_text(json.dumps(spec))
    with pytest.raises(Incompatible, match=r"readers with version 1 can't read .* version 2"):
        register(schemas)
    edit(schemas / "registry.json", lambda lock: lock.update(levels={"flags": "BACKWARD"}))
    register(schemas)
    assert load(schemas).level("flags") is Level.BACKWARD


def test_a_level_of_no_schema_is_a_mistake(project: Path) -> None:
    edit(project / "schemas/registry.json", lambda lock: lock.update(levels={"flag": "FULL"}))
    with pytest.raises(ConfigError, match=r"levels in registry\.json names 'flag'"):
        Registry.load(project)


def test_adding_a_text_writes_file_and_lock_once(project: Path) -> None:
    schemas = project / "schemas"
    text = noted(schemas)
    assert add(schemas, "flags", text).id == 8
    assert add(schemas, "flags", text).id == 8
    assert Registry.load(project).latest("flags").version == 2
    with pytest.raises(Incompatible):
        add(schemas, "flags", text.replace('"default": null', '"order": "ignore"'))


def test_adding_does_not_overwrite_a_file_that_is_not_locked(project: Path) -> None:
    schemas = project / "schemas"
    (schemas / "flags.v2.avsc").write_text("somebody's work")
    with pytest.raises(ConfigError, match="is there but not locked"):
        add(schemas, "flags", noted(schemas))
    assert (schemas / "flags.v2.avsc").read_text() == "somebody's work"


def test_what_a_crash_left_unlocked_can_be_added_again(project: Path) -> None:
    schemas = project / "schemas"
    lock = (schemas / "registry.json").read_text()
    add(schemas, "flags", noted(schemas))
    (schemas / "registry.json").write_text(lock)
    assert add(schemas, "flags", noted(schemas)).id == 8
    assert Registry.load(project).latest("flags").id == 8


def test_many_who_add_at_once_get_versions_of_their_own(project: Path) -> None:
    schemas = project / "schemas"
    spec = json.loads((schemas / "flags.avsc").read_text())

    def one(i: int) -> int:
        extra = {"name": f"note{i}", "type": ["null", "string"], "default": None}
        return add(schemas, "flags", json.dumps({**spec, "fields": [*spec["fields"], extra]})).id

    with ThreadPoolExecutor(8) as executor:
        ids = list(executor.map(one, range(8)))
    assert sorted(ids) == list(range(8, 16))
    assert len(Registry.load(project).versions("flags")) == 9


def test_an_id_that_is_locked_later_is_found(project: Path) -> None:
    registry = Registry.load(project)
    assert registry.find(8) is None
    add(project / "schemas", "flags", noted(project / "schemas"))
    found = registry.find(8)
    assert found is not None
    assert found.version == 2
    assert registry.latest("flags").version == 1, "what is read as does not change under a worker"


def test_a_lock_that_is_broken_later_is_no_reason_to_give_a_record_up(project: Path) -> None:
    registry = Registry.load(project)
    (project / "schemas/flags.avsc").unlink()
    with pytest.raises(Transient, match="schema id 8 can't be looked up"):
        registry.find(8)


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("int", "text"),
        ("int", 2**31),
        ("long", True),
        (["null", "string"], "text"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
        ({"type": "fixed", "name": "X", "size": 2}, "abc"),
        ({"type": "array", "items": "int"}, [None]),
        ({"type": "map", "values": "bytes"}, {"a": "\u0100"}),
        ({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}, {}),
    ],
)
def test_a_default_that_its_type_can_not_hold_is_refused(type_: Any, default: Any) -> None:
    """Readers would meet it only when a record lacks the field."""
    field = {"name": "f", "type": type_, "default": default}
    spec = {"type": "record", "name": "T", "fields": [field]}
    with pytest.raises(ConfigError, match="of field 'f' is no "):
        parse("t", json.dumps(spec), 1, 1)
