"""What the environment may say, and how what it may not say is told."""

from __future__ import annotations

import copy
import pickle
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import endpoints
from headrace.errors import ConfigError
from headrace.security.address import complete
from headrace.security.kafka import KafkaSecurity, from_environment
from headrace.security.link import settings
from headrace.security.redis import connect
from headrace.security.secret import HIDDEN, Secret, redacted
from tests.security.authority import Authority

CANARY = "canary-7f3a"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def kafka(**values: object) -> KafkaSecurity:
    return from_environment({f"HEADRACE_KAFKA_{k}": str(v) for k, v in values.items()})


def problems(**values: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        kafka(**values)
    assert CANARY not in str(caught.value)
    return [line.removeprefix("HEADRACE_KAFKA_") for line in str(caught.value).splitlines()]


def test_without_variables_it_is_plaintext():
    assert from_environment({}) == KafkaSecurity()
    assert settings(KafkaSecurity()) == {"security.protocol": "plaintext"}


def test_all_that_is_wrong_is_told_at_once():
    assert problems(
        SECURITY="sasl_plaintext", SASL_MECHANISM="SCRAM-SHA-512", PASWORD=CANARY, CA_FILE="/none",
        OAUTH_CLIENT_SECRET=CANARY,
    ) == [
        "PASWORD: there is no such variable; did you mean HEADRACE_KAFKA_PASSWORD?",
        "CA_FILE: is set, but with security 'sasl_plaintext' there is no TLS; use ssl or sasl_ssl, "
        "or unset it",
        "USERNAME: is missing",
        "PASSWORD_FILE: is missing (or HEADRACE_KAFKA_PASSWORD)",
        "OAUTH_CLIENT_SECRET: is set, but SCRAM-SHA-512 takes a user and a password, or unset it",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"SECURITY": "tls"}, ["SECURITY: 'tls': use one of plaintext, ssl, sasl_plaintext, "]),
        ({"PASSWORD": CANARY}, ["PASSWORD: is set, but with security 'plaintext' nobody logs in"]),
        ({"SECURITY": "sasl_ssl"}, ["SASL_MECHANISM: '': use one of PLAIN, SCRAM-SHA-256, "]),
        (
            {"SECURITY": "sasl_ssl", "SASL_MECHANISM": "PLAIN", "USERNAME": "u",
             "PASSWORD": CANARY, "PASSWORD_FILE": "/none"},
            ["PASSWORD: HEADRACE_KAFKA_PASSWORD_FILE is set, too"],
        ),
        ({"SECURITY": "ssl", "CA_FILE": "/none"}, ["CA_FILE: '/none': No such file or directory"]),
        ({"SECURITY": "ssl", "CA_FILE": __file__}, ["CA_FILE: ", ]),
        ({"SECURITY": "ssl", "CERT_FILE": __file__}, ["CERT_FILE: a certificate and its key come"]),
        ({"SECURITY": "ssl", "KEY_PASSWORD": CANARY}, ["KEY_PASSWORD: is set, but there is no"]),
        (
            {"SECURITY": "sasl_ssl", "SASL_MECHANISM": "OAUTHBEARER", "USERNAME": "u",
             "OAUTH_TOKEN_URL": "http://elsewhere/token"},
            ["OAUTH_CLIENT_ID: is missing", "OAUTH_CLIENT_SECRET_FILE: is missing",
             "OAUTH_TOKEN_URL: must begin with https://", "USERNAME: is set, but OAUTHBEARER"],
        ),
    ],
)  # fmt: skip
def test_wrong_combinations_are_refused(values, told):
    lines = problems(**values)
    assert len(lines) == len(told)
    for line, start in zip(lines, told, strict=True):
        assert line.startswith(start)


def test_a_key_that_is_not_the_certificates_is_refused(authority):
    one, two = authority.issue("one"), authority.issue("two")
    (line,) = problems(SECURITY="ssl", CERT_FILE=one, KEY_FILE=two.with_suffix(".key"))
    assert line.startswith("KEY_FILE: ")
    locked = authority.issue("locked", key_password=CANARY)
    files = {"CERT_FILE": locked, "KEY_FILE": locked.with_suffix(".key")}
    assert problems(SECURITY="ssl", **files)[0].startswith("KEY_FILE: ")
    assert problems(SECURITY="ssl", KEY_PASSWORD="other", **files)[0].startswith("KEY_FILE: ")
    found = kafka(SECURITY="ssl", KEY_PASSWORD=CANARY, **files)
    assert found.tls is not None
    assert found.tls.context().verify_mode == ssl.CERT_REQUIRED
    assert settings(found)["ssl.key.password"] == CANARY


def test_a_password_file_ends_where_its_last_line_ends(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{CANARY}\n")
    login = {"SECURITY": "sasl_ssl", "SASL_MECHANISM": "PLAIN", "USERNAME": "u"}
    found = kafka(**login, PASSWORD_FILE=path)
    assert found.user is not None
    assert found.user.password.reveal() == CANARY
    assert CANARY not in repr(found)
    assert found.principal == "User:u"
    path.write_text("\n")
    assert problems(**login, PASSWORD_FILE=path) == [f"PASSWORD_FILE: {str(path)!r} is empty"]


@given(st.text(min_size=1))
def test_a_secret_shows_nowhere(text):
    secret = Secret(text)
    assert {repr(secret), str(secret), f"{secret}", f"{secret!r:>3}"} == {HIDDEN}
    assert secret.reveal() == text
    assert secret == Secret(text) != Secret(text + "x")
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)


#: What may stand in a password that is percent-encoded as it should be, and some that should.
PASSWORDS = st.text("abcXYZ0189-._~%!$&()*+,;=/@", min_size=12, max_size=40)


@given(PASSWORDS, st.sampled_from(["http", "https", "redis", "rediss", "redis+sentinel"]))
def test_a_url_shows_no_password(password, scheme):
    url = f"{scheme}://user:{password}@h1:1,h2:2/0?ssl_password={password.replace('&', '')}"
    for text in (redacted(url), redacted(f"x {url!r} y"), repr(endpoints.Endpoints("", url, url))):
        assert password not in text
        assert f"{scheme}://user:{HIDDEN}@" in text


def test_urls_without_a_password_stay():
    for url in ("http://h:8123", "redis+cluster://h:1,h:2", "rediss://u@h:1/0?ssl_ca_certs=/ca"):
        assert redacted(url) == url


@given(PASSWORDS)
def test_a_password_of_its_own_goes_into_the_url(password):
    environ = {"R_PASSWORD": password}
    url, wrong = complete("R", "rediss://me@h:1/0?ssl_ca_certs=" + __file__, environ)
    assert wrong == []
    assert url is not None
    held = connect(url).connection_pool.connection_kwargs
    assert (held["username"], held["password"], held["host"]) == ("me", password, "h")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"redis://u:{CANARY}/x@h:1", "'/', '?' and '#' in a user or password are written as %2F"),
        (f"redis://u:{CANARY}@h:1?ssl_ca_certs=/x", "ssl_ca_certs is for TLS: write https:// or"),
        (f"rediss://u:{CANARY}@h:1?ssl_ca_certs=/x", "ssl_ca_certs: there is no file '/x'"),
        (f"kafka://u:{CANARY}@h:1", "unknown scheme 'kafka'; use one of redis, rediss"),
    ],
)
def test_wrong_addresses_are_told_without_their_password(url, told, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE_REDIS", url)
    monkeypatch.setenv("HEADRACE_KAFKA_SECURITY", "ssl")
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_PASSWORD", CANARY)
    monkeypatch.delenv("HEADRACE_KAFKA", raising=False)
    monkeypatch.delenv("HEADRACE_CLICKHOUSE", raising=False)
    with pytest.raises(ConfigError) as caught:
        endpoints.load(tmp_path)
    text = str(caught.value)
    assert told in text
    assert CANARY not in text
    assert "the local Kafka speaks plaintext" in text
    assert "HEADRACE_CLICKHOUSE_PASSWORD: is set, but HEADRACE_CLICKHOUSE is not" in text


def test_clusters_and_sentinels_take_users_and_tls():
    query = f"ssl_ca_certs={__file__}&ssl_check_hostname=false"
    cluster = connect(f"rediss+cluster://me:a%40b@h:1,h:2?{query}")
    sentinel = connect(f"rediss+sentinel://me:a%40b@h:1,h:2/main?{query}")
    for held in (cluster.connection_kwargs, sentinel.connection_pool.connection_kwargs):
        assert (held["username"], held["password"]) == ("me", "a@b")
        assert held["ssl_ca_certs"] == str(Path(__file__))
        assert held["ssl_check_hostname"] is False
    watch = sentinel.connection_pool.sentinel_manager.sentinels[0].connection_pool.connection_kwargs
    assert watch["password"] is None
    assert watch["ssl_ca_certs"] == str(Path(__file__))
    plain = connect("redis+cluster://h:1").connection_kwargs
    assert plain.get("password") is None
    assert "ssl_ca_certs" not in plain
