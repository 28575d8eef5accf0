"""Where a local master key comes from, and what is said when it can't."""

from __future__ import annotations

import stat
from base64 import b64encode

import pytest

from headrace.errors import ConfigError
from headrace.private.master import VARIABLE, key_file, local_master, make_key_file


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("HEADRACE_HOME", raising=False)
    return tmp_path


def test_a_made_key_is_its_owner_s_and_is_never_overwritten(root):
    path = make_key_file(root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (wrapped,) = local_master(root, {}).wrap([("n", b"k" * 32)])
    assert local_master(root, {}).unwrap([("n", wrapped)]) == [b"k" * 32]
    with pytest.raises(ConfigError, match="exists already"):
        make_key_file(root)


def test_the_environment_comes_first(root):
    make_key_file(root)
    environ = {VARIABLE: b64encode(b"m" * 32).decode()}
    (wrapped,) = local_master(root, environ).wrap([("n", b"k" * 32)])
    with pytest.raises(ConfigError, match=r"master\.key does not open 'n'"):
        local_master(root, {}).unwrap([("n", wrapped)])


@pytest.mark.parametrize("text", ["not base64!", b64encode(b"short").decode(), ""])
def test_a_key_of_another_form_is_refused_without_being_quoted(root, text):
    key_file(root).parent.mkdir()
    key_file(root).write_text(text)
    with pytest.raises(ConfigError, match="is not the base64 of 32 bytes") as caught:
        local_master(root, {})
    assert not text or text not in str(caught.value)


def test_without_a_key_the_three_ways_to_one_are_named(root):
    with pytest.raises(ConfigError, match=r"HEADRACE_MASTER_KEY.*keys init.*private\.transit"):
        local_master(root, {})
