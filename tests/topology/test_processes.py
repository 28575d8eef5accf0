"""Broken processes: every problem is found, with its line, its path and the fix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace import topology
from headrace.topology import examine

PROJECT = Path(__file__).resolve().parents[2] / "docs/examples/order-saga"
TEXT = (PROJECT / "topology.yaml").read_text(encoding="utf-8")
AT = "processes.fulfilment"


@pytest.fixture
def root(tmp_path):
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    return tmp_path


def broken(root, *changes):
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    (root / "topology.yaml").write_text(text, encoding="utf-8")
    return examine(root)[1]


def test_the_example_is_right_and_is_an_agent(root):
    assert broken(root) == []
    declared = topology.load(root)
    agent = declared.agents["fulfilment"]
    assert agent.reads == ("shop.fulfilment",)
    assert agent.writes.topics == ("shop.commands", "shop.fulfilment.transitions")
    assert agent.state.key == "order_id"
    assert declared.redis.keyspaces[agent.state.keyspace].type == "state"
    assert agent.timer.event == {"type": "timer_due"}


RESERVING = "stock_short: {to: cancelling}"


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong", "fix"),
    [
        ("topic: shop.fulfilment\n", "topic: shop.fulfillment\n", "topic", "no such topic", "shop.fulfilment"),
        ("commands_topic: shop.commands", "commands_topic: shop.fulfilment", "commands_topic",
         "is topic already", "its own"),
        ("initial: new", "initial: begin", "initial", "no such state", "new"),
        ("initial: new", "initial: shipping", "initial", "before its first event", "first event"),
        (RESERVING, "stock_short: {to: canceling}", "states.reserving.on.stock_short.to", "no such state", "cancelling"),
        (RESERVING, "stock_gone: {to: cancelling}", "states.reserving.on.stock_gone", "no such type of event", "stock_short"),
        (RESERVING, "shipment_failed: {to: cancelling}", "states.reserving.on", "nothing for 'stock_short'", "where it leads"),
        ("send: [reserve]", "send: [reserv]", "states.reserving.send.0", "no such command", "reserve"),
        ("send: [reserve]", "send: [reserve, ship]", "states.reserving.send", "more than one answer", "one state for each"),
        ("send: [reserve]", "send: [reserve, release]", "commands.reserve.undo", "sent by a state too", "compensate"),
        ("withdrawn: {final: true}", "withdrawn: {final: true}\n      lost: {on: {shipped: {to: cancelled}}}",
         "states.lost", "no move leads here", "remove it"),
        ("withdrawn: {final: true}", "withdrawn: {}", "states.withdrawn", "no way leads from here", "final"),
        ("withdrawn: {final: true}", "withdrawn: {final: true, on: {shipped: {to: new}}}",
         "states.withdrawn.final", "nothing can follow", "leave out"),
        (RESERVING, "stock_short: {to: authorising}", "states.reserving.on.stock_short.to",
         "would send 'authorise' again", "own failed answer"),
        (RESERVING, "stock_short: {to: withdrawn}", "states.reserving.on.stock_short.to",
         "ends while authorise may have been done", "compensate"),
        ("when: retryable", "when: retriable", "states.authorising.on.payment_declined.0.when", "no field 'retriable'", "retryable"),
        ("when: retryable", "when: amount", "states.authorising.on.payment_declined.0.when", "not true or false", "compare"),
        ("attempts: 3}", "attempts: 3, keep: [color]}", "states.authorising.on.payment_declined.0.keep.0", "no such field", "amount"),
        ("attempts: 3}", "attempts: 1}", "states.authorising.on.payment_declined.0.attempts", "not valid", "greater"),
        (RESERVING, "stock_short: {to: cancelling, attempts: 2}", "states.reserving.on.stock_short.attempts",
         "does not repeat", "lead back to reserving"),
        ("timer: {after_s: 60, clock: event, resend: 1}", "doc: waits", "states.reserving.on.timeout", "no timer", "add timer"),
        ("timer: {after_s: 30, resend: 5}", "send: [capture]", "states.cancelling.send", "waits for its undos", "another state"),
        ("shipped: {to: capturing}         #", "cancel_requested: {to: capturing}   #",
         "states.cancelling.on.cancel_requested", "half done", "shipped"),
        ("type: reserve_stock", "type: reserve_goods", "commands.reserve.type", "no such type of command", "reserve_stock"),
        ("fields: {lines: lines}\n", "fields: {line: lines}\n", "commands.reserve.fields.line", "not a field for a command", "lines"),
        ("fields: {lines: lines}\n", "fields: {lines: items}\n", "commands.reserve.fields.lines", "no such field in the events", "lines"),
        ("fields: {lines: lines}\n", "fields: {lines: amount}\n", "commands.reserve.fields.lines", "is decimal", "agree"),
        ("fields: {lines: lines}\n", "fields: {type: lines}\n", "commands.reserve.fields.type", "not a field for a command", "lines"),
        ("amount, currency, lines]", "amount, currency]", "commands.reserve.fields.lines", "may not have been kept", "keep"),
        ("message: {value: completed}", "message: {value: 7}", "commands.notify_completed.fields.message.value", "is string", "its type"),
        ("undo: void", "undo: avoid", "commands.authorise.undo", "no such command", "void"),
        ("undo: void", "undo: notify_cancelled", "commands.authorise.undo", "answered by nobody", "by what"),
        ("undo: release", "undo: void", "commands.reserve.undo", "undoes 'authorise' already", "another"),
        ("answers: {payment_captured: done, capture_failed: failed}", "answers: {capture_failed: failed}",
         "commands.capture.answers", "none says done", "add"),
        ("transitions_topic: shop.fulfilment.transitions", "transitions_topic: shop.fulfilment.transitions\n    names: {timer: tick}",
         "names.timer", "no such type of event", "timer_due"),
        ("transitions_topic: shop.fulfilment.transitions", "transitions_topic: shop.fulfilment.transitions\n    names: {answers: reply_to}",
         "names.answers", "no field 'reply_to'", "idempotency_key"),
        ("send: [notify_completed]", "send: []", "commands.notify_completed", "never sent", "remove it"),
        ("after_s: 120", "after_s: 0", "states.shipping.timer.after_s", "not valid", "greater"),
        ("final: true, send: [notify_completed]", "finale: true, send: [notify_completed]", "states.completed.finale", "unknown key", "final"),
    ],
)  # fmt: skip
def test_each_rule(root, old, new, path, wrong, fix):
    problems = broken(root, (old, new))
    found = next((p for p in problems if p.path == f"{AT}.{path}"), None)
    assert found is not None, [str(p) for p in problems]
    assert wrong in found.wrong
    assert fix in found.fix
    assert found.line > 1


def test_all_problems_at_once(root):
    problems = broken(
        root,
        ("send: [ship]", "send: [sihp]"),
        ("initial: new", "initial: nwe"),
        ("undo: void", "undo: viod"),
        ("when: retryable", "when: retriable"),
    )
    assert {p.path.removeprefix(f"{AT}.") for p in problems} >= {
        "states.shipping.send.0", "initial", "commands.authorise.undo",
        "states.authorising.on.payment_declined.0.when",
    }  # fmt: skip


def test_names_of_what_is_made_must_be_free(root):
    problems = broken(root, ("  history:\n    function", "  fulfilment:\n    function"))
    assert [p.wrong for p in problems if p.path == AT] == ["there is an agent 'fulfilment' already"]


def test_private_fields_are_not_kept(root):
    schema = root / "schemas/fulfilment.avsc"
    text = schema.read_text().replace(
        '{"name": "user_id",', '{"name": "user_id", "pii": "pseudonym",'
    )
    schema.write_text(text)
    problems = broken(root)
    found = next(p for p in problems if p.path.endswith("order_placed.keep.0"))
    assert "private" in found.wrong
