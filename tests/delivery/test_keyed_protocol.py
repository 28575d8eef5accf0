"""Keyed state and emitted events under all that may happen: see ``test_protocol`` for the faults.

At every moment the states are those of the records that the fence covers, and what the readers of
the emitted topic see is a beginning of what a plain count of the log gives, in its order by key.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.delivery.keyed_world import KeyedWorld, expected
from tests.delivery.test_protocol import EXAMPLES, STEPS, Protocol

STEPS_OF_A_BLOCK = ("states", "commit", "chunk 0", "chunk 1", "outbox", "emit some",
                    "emit the rest", "sent")  # fmt: skip
#: Answers that a worker needs to get to any step.
MOST = 30


class KeyedProtocol(Protocol):
    """The rules and invariants of the protocol, and those of states and events."""

    new_world = KeyedWorld
    world: KeyedWorld

    @rule(
        step=st.sampled_from(STEPS_OF_A_BLOCK),
        rows=st.integers(2, 8),
        arrives=st.booleans(),
        tail=st.integers(0, 2),
    )
    def crash_in(self, step: str, rows: int, arrives: bool, tail: int) -> None:
        """The owner gets to a step of a block and dies in it; so does, with ``tail``, the store."""
        world, owner = self.world, self.world.owner
        if owner is None or owner.dead or owner.stopped or owner.paused:
            return
        for _ in range(MOST):
            mine = [r for r in world.requests if r.sender is owner]
            if not mine:
                owner.feed(rows)
                world.settle()
                continue
            if mine[-1].what.startswith(step) and not mine[-1].arrived:
                if arrives:
                    mine[-1].arrive()
                owner.crash()
                world.settle()
                if tail:
                    self.keys_lose_their_tail(tail)
                return
            world.step(mine[-1])

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
