"""Lines of the log, as text and as JSON."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from headrace import logs
from headrace.errors import ConfigError

log = logging.getLogger("headrace.somewhere")
PASSWORD = "hunter2"


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    root.handlers[:] = before
    root.setLevel(level)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_record_is_one_object_with_its_fields(capsys):
    logs.configure("info", "json")
    log.info("%s: starts at %d", "t[0]", 7, extra={"topic": "t", "lag": 3})
    log.debug("not said")
    [line] = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert isinstance(line.pop("pid"), int)
    assert line == {
        "level": "info", "logger": "headrace.somewhere", "message": "t[0]: starts at 7",
        "fields": {"topic": "t", "lag": 3},
    }  # fmt: skip


@pytest.mark.parametrize("form", logs.FORMATS)
def test_passwords_of_urls_are_in_no_line(capsys, form):
    logs.configure("info", form)
    url = f"http://me:{PASSWORD}@there:8123/?password={PASSWORD}"
    try:
        raise ValueError(f"can't reach {url}")
    except ValueError:
        log.exception("no answer from %s", url, extra={"where": url})
    said = capsys.readouterr().err
    assert "no answer from http://me:***@there" in said
    assert "can't reach" in said
    assert PASSWORD not in said


def test_inside_of_a_span_a_line_names_it(capsys):
    logs.configure("info", "json")
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        log.info("inside")
    log.info("outside")
    inside, outside = lines(capsys)
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in outside


def test_text_that_utf8_cannot_hold_is_escaped(capsys):
    logging.getLogger().handlers.clear()  # pytest's own put it into a report, which can't be sent
    logs.configure("info", "json")
    log.info("odd \ud800", extra={"names": ["\ud800"]})
    [line] = lines(capsys)
    assert (line["message"], line["fields"]) == ("odd \\ud800", {"names": ["\\ud800"]})


def test_the_error_that_ends_a_command_is_a_sentence_or_an_object(capsys):
    logs.configure("warning")
    logs.tell(ConfigError("topology.yaml: wrong"), 2)
    assert capsys.readouterr().err == "headrace: topology.yaml: wrong\n"
    logs.configure("warning", "json")
    logs.tell(ConfigError("topology.yaml: wrong"), 2)
    [line] = lines(capsys)
    assert (line["message"], line["fields"]) == ("topology.yaml: wrong", {"exit_code": 2})


def test_what_nobody_caught_is_an_object_too(capsys):
    logs.configure("warning", "json")
    error = RuntimeError("broken")
    sys.excepthook(RuntimeError, error, None)
    [line] = lines(capsys)
    assert line["level"] == "critical"
    assert "RuntimeError: broken" in line["exception"]


def test_the_environment_chooses_where_no_option_does(capsys, monkeypatch):
    monkeypatch.setenv(logs.VARIABLE, "json")
    logs.configure("info")
    log.info("hello")
    assert lines(capsys)[0]["message"] == "hello"
    logs.configure("info", "text")
    log.info("hello")
    assert " INFO " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "form", "text"),
    [("loud", None, "--log-level 'loud'"), ("info", "xml", "--log-format")],
)
def test_what_there_is_not_is_refused(level, form, text):
    with pytest.raises(ConfigError, match=text):
        logs.configure(level, form)
