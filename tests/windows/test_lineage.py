"""What declared sessions and joins feed is known without running them."""

from __future__ import annotations

import pytest

from headrace.lineage import How, Lineage
from headrace.lineage.project import of_project
from tests.windows.test_declared import EXAMPLE


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        return of_project(EXAMPLE)


def test_no_agent_had_to_be_guessed(lineage: Lineage):
    assert lineage.gaps == ()


@pytest.mark.parametrize(
    ("field", "fed"),
    [
        ("shop.sessions.cart_value", {"shop.visits.largest_cart"}),
        ("shop.catalog.price", {"shop.order_lines.list_price"}),
        ("shop.orders.lines.quantity", {"shop.order_lines.quantity", "shop.touches.quantity"}),
    ],
)
def test_what_a_field_is_told_as(lineage: Lineage, field: str, fed: set[str]):
    (node,) = lineage.named(field)
    found = {e.target.name for e in lineage.feeds(node) if e.how is How.VALUE}
    assert found == fed


def test_a_condition_decides_which_events_count(lineage: Lineage):
    (node,) = lineage.named("field shop.visits.conversions")
    assert [(e.source.name, e.how) for e in lineage.fed_by(node)] == [
        ("shop.sessions.type", How.ROWS)
    ]
