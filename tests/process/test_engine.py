"""The order saga, event by event."""

from __future__ import annotations

from dataclasses import replace

from headrace.process.instance import decode, encode
from headrace.process.machine import compiled
from tests.process.story import ORDER, Story, declared, key


def shipping() -> Story:
    """An order that is paid for and reserved."""
    story = Story()
    assert story.placed() == ["authorise_payment"]
    assert story("payment_authorised", key("authorise")) == ["reserve_stock"]
    assert story("stock_reserved", key("reserve")) == ["ship"]
    return story


def test_all_goes_well():
    story = shipping()
    assert story("shipped", key("ship")) == ["capture_payment"]
    assert story("payment_captured", key("capture")) == ["notify"]
    assert story.state == "completed"
    assert [way[2] for way in story.ways] == [
        "authorising", "reserving", "shipping", "capturing", "completed",
    ]  # fmt: skip
    assert [t["sequence"] for t in story.emitted.transitions] == [1, 2, 3, 4, 5]
    assert story.emitted.transitions[-1]["final"]


def test_a_command_has_what_was_kept_and_the_key_of_its_request():
    story = Story()
    story.placed()
    assert story.last == {
        "command_id": f"{key('authorise')}/1", "occurred_at": story.at, "order_id": ORDER,
        "type": "authorise_payment", "idempotency_key": key("authorise"),
        "user_id": "u1", "amount": "12.50", "currency": "EUR",
    }  # fmt: skip
    assert key("authorise") == "fulfilment/o1/authorise/1"


def test_failure_undoes_what_was_done_last_first_each_after_the_other():
    story = shipping()
    assert story("shipment_failed", key("ship")) == ["release_stock"]
    assert story.last["undoes"] == key("reserve")
    assert story("stock_released", key("release")) == ["void_payment"]
    assert story.last["undoes"] == key("authorise")
    assert story("payment_voided", key("void")) == ["notify"]
    assert story.state == "cancelled"


def test_what_may_have_been_done_is_undone_too():
    story = shipping()
    assert story("cancel_requested") == ["cancel_shipment"]
    assert story("shipment_cancelled", key("cancel_shipment")) == ["release_stock"]
    story("stock_released", key("release"))
    story("payment_voided", key("void"))
    assert story.state == "cancelled"


def test_what_can_t_be_undone_any_more_leads_forward():
    for answer, of in (("shipped", "ship"), ("shipment_gone", "cancel_shipment")):
        story = shipping()
        story("cancel_requested")
        assert story(answer, key(of)) == ["capture_payment"]
        assert story("shipment_gone", key("cancel_shipment")) == []
        assert story.state == "capturing"


def test_nothing_leads_forward_once_something_else_is_undone():
    """A parcel that went although its shipment was cancelled: for the carrier to call back."""
    story = shipping()
    story("cancel_requested")
    assert story("shipment_cancelled", key("cancel_shipment")) == ["release_stock"]
    assert story("shipped", key("ship")) == []
    assert story.state == "cancelling"
    assert story("stock_released", key("release")) == ["cancel_shipment"]
    assert story.last["idempotency_key"] == key("cancel_shipment", 2)
    assert story("shipment_gone", key("cancel_shipment", 2)) == []
    assert story.now.stuck


def test_nothing_to_undo_is_told_as_a_transition_of_its_own():
    story = Story()
    story.placed()
    assert story("payment_declined", key("authorise")) == ["notify"]
    assert story.ways[-2:] == [
        ("authorising", "payment_declined", "cancelling"),
        ("cancelling", "undone", "cancelled"),
    ]


def test_silence_repeats_the_request_and_then_undoes_it():
    story = Story()
    story.placed()
    waits = []
    for sends in (2, 3):
        before = story.at
        assert story.times_out() == ["authorise_payment"]
        waits.append(story.at - before)
        assert story.last["idempotency_key"] == key("authorise")
        assert story.last["command_id"] == f"{key('authorise')}/{sends}"
    assert waits == [30_000, 60_000]
    assert story.times_out() == ["void_payment"]
    assert story.state == "cancelling"


def test_a_payment_authorised_after_the_order_was_cancelled_is_voided():
    story = Story()
    story.placed()
    story("cancel_requested")
    story("payment_voided", key("void"))
    assert story.state == "cancelled"
    assert story("payment_authorised", key("authorise")) == ["void_payment"]
    assert story.last["idempotency_key"] == key("void", 2)
    assert story.state == "cancelling"
    assert story("payment_authorised", key("authorise")) == []  # the answer once more
    assert story("payment_voided", key("void", 1)) == []  # of the first void
    assert story("payment_voided", key("void", 2)) == []  # the customer was told already
    assert story.state == "cancelled"


def test_a_payment_authorised_while_it_is_voided_is_voided_again():
    story = Story()
    story.placed()
    story("cancel_requested")
    assert story("payment_authorised", key("authorise")) == ["void_payment"]
    assert story("payment_voided", key("void", 1)) == []
    assert story.state == "cancelling"  # that void may have come before the payment
    assert story("payment_voided", key("void", 2)) == ["notify"]
    assert story.state == "cancelled"


def test_another_attempt_is_another_request_up_to_a_limit():
    story = Story()
    story.placed()
    for attempt in (1, 2):
        declined = key("authorise", attempt)
        assert story("payment_declined", declined, holds=("retryable",)) == ["authorise_payment"]
        assert story.last["idempotency_key"] == key("authorise", attempt + 1)
        assert story("payment_declined", declined, holds=("retryable",)) == []
    assert story("payment_declined", key("authorise", 3), holds=("retryable",)) == ["notify"]


def test_whatever_comes_twice_changes_nothing():
    story = Story()
    for told in (
        ("order_placed", None), ("payment_authorised", key("authorise")),
        ("stock_reserved", key("reserve")), ("shipped", key("ship")),
        ("payment_captured", key("capture")),
    ):  # fmt: skip
        fields = {"user_id": "u1", "amount": "12.50", "currency": "EUR", "lines": []}
        story(*told, **fields)
        there = story.now
        assert story(*told, **fields) == []
        assert story.now == there


def test_answers_to_others_and_to_nobody_are_passed_over():
    story = Story()
    assert story("payment_authorised", key("authorise")) == []
    assert story.now is None
    story.placed()
    there = story.now
    for answers in ("fulfilment/o2/authorise/1", "other/o1/authorise/1", key("authorise", 2), "?",
                    "fulfilment/o1/authorise/x", None):  # fmt: skip
        assert story("payment_authorised", answers) == []
    assert story.now == there


def test_a_cancellation_that_overtakes_its_order_wins():
    story = Story()
    story("cancel_requested")
    assert story.placed() == []
    assert story.state == "withdrawn"


def test_event_time_runs_out_by_the_next_event_that_is_later():
    story = Story()
    story.placed()
    story("payment_authorised", key("authorise"))
    assert story("stock_reserved", key("reserve"), after_s=61) == ["reserve_stock", "ship"]
    story = Story()
    story.placed()
    story("payment_authorised", key("authorise"))
    story.times_out()
    told = story("stock_reserved", key("reserve"), after_s=121)
    assert told == [
        "release_stock",
        "release_stock",
    ]  # too late: and then it was reserved after all
    assert story.state == "cancelling"


def test_wall_time_runs_out_by_its_timer_alone():
    story = shipping()
    assert story("shipped", key("ship"), after_s=100_000) == ["capture_payment"]


def test_a_timer_of_a_state_that_was_left_does_nothing():
    story = Story()
    story.placed()
    due = story.now.due
    story("payment_authorised", key("authorise"))
    there = story.now
    story.at = due - 1
    assert story("timer_due", after_s=0.001) == []
    assert story.now == there


def test_stuck_instances_wait_for_an_operator_and_go_on():
    story = shipping()
    story("shipped", key("ship"))
    for _ in range(5):
        assert story.times_out() == ["capture_payment"]
    assert story.times_out() == []
    assert story.now.stuck
    assert story.emitted.transitions[-1]["stuck"]
    assert story.now.due is None
    assert story("resume_requested") == ["capture_payment"]
    assert story.last["command_id"] == f"{key('capture')}/7"
    assert story("resume_requested") == []  # it is not stuck any more
    assert story("payment_captured", key("capture")) == ["notify"]


def test_a_stuck_instance_also_goes_on_by_an_answer_after_all():
    story = shipping()
    story("shipped", key("ship"))
    while not story.now.stuck:
        story.times_out()
    story("payment_captured", key("capture"))
    assert story.state == "completed"


def test_what_failed_too_often_is_asked_for_anew_by_an_operator():
    story = shipping()
    story("shipped", key("ship"))
    for attempt in range(1, 6):
        story("capture_failed", key("capture", attempt))
    assert story.now.stuck
    assert story("resume_requested") == ["capture_payment"]
    assert story.last["idempotency_key"] == key("capture", 6)


def test_a_refused_undo_is_stuck_and_asked_for_anew():
    process = declared().processes["fulfilment"]
    cancelling = process.states["cancelling"].model_copy(update={"on": {}})
    changed = process.model_copy(update={"states": {**process.states, "cancelling": cancelling}})
    story = Story(
        compiled(declared().model_copy(update={"processes": {"fulfilment": changed}}), "fulfilment")
    )
    story.placed()
    story("payment_authorised", key("authorise"))
    story("stock_reserved", key("reserve"))
    story("cancel_requested")
    assert story("shipment_gone", key("cancel_shipment")) == []
    assert story.now.stuck
    assert story("resume_requested") == ["cancel_shipment"]
    assert story.last["idempotency_key"] == key("cancel_shipment", 2)
    assert story("shipment_cancelled", key("cancel_shipment", 2)) == ["release_stock"]
    assert not story.now.stuck


def test_what_has_ended_is_forgotten_after_its_time():
    story = Story()
    story("cancel_requested")
    assert story.now.due == story.at + 604_800_000
    story.times_out()
    assert story.now is None


def test_what_is_kept_is_read_as_it_was():
    story = shipping()
    story("cancel_requested")
    there = replace(story.now, data={"amount": "1.00", "lines": [{"sku": "a", "quantity": 1}]})
    assert decode(encode(there)) == there
    assert encode(decode(encode(there))) == encode(there)
