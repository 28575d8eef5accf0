"""Keyed state and emitted events under all that may happen: see ``test_protocol`` for the faults.

At every moment the states are those of the records that the fence covers, and what the readers of
the emitted topic see is a beginning of what a plain count of the log gives, in its order by key.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import invariant

from tests.delivery.keyed_world import KeyedWorld, expected
from tests.delivery.test_protocol import EXAMPLES, STEPS, Protocol


class KeyedProtocol(Protocol):
    """The rules and invariants of the protocol, and those of states and events."""

    new_world = KeyedWorld
    world: KeyedWorld

    @invariant()
    def states_are_those_of_the_fence(self) -> None:
        if not hasattr(self, "world") or self.world.keys.begun != -1:
            return
        states, _ = expected(self.world.keys.done + 1)
        assert self.world.keys.states == states

    @invariant()
    def events_are_seen_once_and_in_order(self) -> None:
        if not hasattr(self, "world"):
            return
        _, told = expected(self.world.log)
        for key, seen in self.world.seen().items():
            assert seen == told[key][: len(seen)]

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "world"):
            states, told = expected(self.world.log)
            assert (self.world.keys.states, self.world.seen()) == (states, told)
            assert (self.world.keys.outbox, self.world.keys.undo) == ([], {})


TestKeyedProtocol = KeyedProtocol.TestCase
TestKeyedProtocol.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
