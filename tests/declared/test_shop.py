"""The shop's declared features end in the keys of the agent that is written by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.declared import declared
from bench.written.features import features
from headrace.testing import Given
from tests.strategies import logs

DECLARED = declared()


@settings(max_examples=settings().max_examples // 4)
@given(st.data())
def test_declared_features_hold_what_written_ones_do(data: st.DataObject):
    log = {topic: data.draw(logs(topic, 12)) for topic in ("shop.sessions", "shop.orders")}
    written = Given(log).when(features, disturbed=0)
    assert list(Given(log).when(DECLARED, disturbed=2).state()) == list(written.state())
