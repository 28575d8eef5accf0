"""Keys, persons, actors, and the comparison of the table with the topic."""

from __future__ import annotations

import os
import pwd

import pytest

from headrace.audit import key
from headrace.audit.actor import operator
from headrace.audit.chain import following
from headrace.audit.entry import Facts, Outcome
from headrace.audit.persons import is_person, person
from headrace.audit.table import compare
from headrace.errors import ConfigError
from tests.audit.test_chain import KEY, OTHER_KEY, log


def test_a_key_is_read_by_reference(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    assert key.load({}) is None
    assert key.load({key.VARIABLE: KEY.decode()}) == KEY
    assert key.load({key.FILE_VARIABLE: str(file)}) == KEY


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({key.VARIABLE: "short"}, "5 bytes are too few"),
        ({key.FILE_VARIABLE: "/none/such"}, "No such file"),
        ({key.VARIABLE: "a" * 32, key.FILE_VARIABLE: "/b"}, "both set"),
    ],
)
def test_a_bad_key_is_refused_and_not_shown(environ, says):
    with pytest.raises(ConfigError, match=says) as caught:
        key.load(environ)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, KEY])
def test_a_person_is_matched_and_not_named(secret):
    subject = person("ann@example.org", secret)
    assert "ann" not in subject
    assert is_person(subject, "ann@example.org", secret)
    assert not is_person(subject, "bob@example.org", secret)
    assert person("ann@example.org", secret) != subject  # entries can't be joined


def test_with_a_key_nobody_else_can_try_out_persons():
    subject = person("ann", KEY)
    assert not is_person(subject, "ann", None)
    assert not is_person(subject, "ann", OTHER_KEY)
    assert is_person(person("ann", None), "ann", KEY)  # recorded before there was a key
    assert not is_person("person:hmac:zz:00", "ann", KEY)
    assert not is_person("headrace", "ann", KEY)


def test_the_operator_is_who_the_system_says(monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody-else")
    name = pwd.getpwuid(os.getuid()).pw_name
    assert operator() == f"{name}@{os.uname().nodename}"
    monkeypatch.setattr(os, "getuid", lambda: 123_456_789)
    assert operator().startswith("uid-123456789@")


def test_rows_are_held_against_entries():
    entries = []
    for number in range(5):
        facts = Facts("apply", "a", "s", Outcome.DONE)
        entries.append(following(entries[-1] if entries else None, facts, number, None))
    rows = [entry.as_row() for entry in entries]
    assert compare(log(entries), rows) == compare(log(entries), rows[::-1])
    assert compare(log(entries), rows).faults == []
    tampered = [rows[0], {**rows[2], "actor": "b"}, rows[3], rows[3], {**rows[4], "sequence": 9}]
    assert [str(fault) for fault in compare(log(entries[:4]), tampered).faults] == [
        "row 2: is missing",
        "row 3: was changed: actor 'b', not 'a'",
        "row 9: is not in the topic",
        "row 4: is there 2 times",
    ]
    behind = compare(log(entries), rows[:3])
    assert (behind.faults, behind.uncopied) == ([], entries[3:])
