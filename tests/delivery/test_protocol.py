"""The exactly-once protocol as a state machine: any order of faults, nothing lost or doubled.

The delivery code is the real one; ``world`` is the model around it. Faults: workers that die at
any step, pause beyond their lease and wake as zombies, rebalances told and untold, requests that
arrive late or never, answers that are lost, a server that dies between a table and its view, a key
store that comes back with an older state, a table restored from a backup, deleted offsets. Every
fifth record is a producer's repeat, which must never be seen.
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.delivery.world import (
    SESSION_S,
    TABLES,
    Request,
    Worker,
    World,
    due,
    restore,
    snapshot,
)

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
#: Runs, and steps in each; nightly some 60,000 steps and more.
EXAMPLES, STEPS = (1_000, 60) if NIGHTLY else (50, 50)
INDEX = st.integers(0, 1_000)


class Protocol(RuleBasedStateMachine):
    """Rules are what may happen; invariants are what must hold at every moment."""

    #: The world that a run begins with.
    new_world: type[World] = World

    @initialize(records=st.integers(1, 20))
    def begin(self, records: int) -> None:
        self.world = self.new_world()
        self.world.log = records
        self.keys_before = [snapshot(self.world.keys)]
        self.tables_before = {n: [snapshot(t)] for n, t in self.world.tables.items()}
        self.world.join()

    # -- what happens when nothing is wrong ------------------------------------------------------

    @rule(records=st.integers(1, 12))
    def produce(self, records: int) -> None:
        self.world.log += records

    @rule(rows=st.integers(1, 8))
    def fetch(self, rows: int) -> None:
        for worker in self._living():
            worker.feed(rows)
        self.world.settle()

    @rule(count=st.integers(1, 12), at=INDEX)
    def answer(self, count: int, at: int) -> None:
        for i in range(count):
            self._step(at + i, "answer")

    # -- the network -----------------------------------------------------------------------------

    @rule(at=INDEX)
    def lose_answer(self, at: int) -> None:
        self._step(at, "lose")

    @rule(at=INDEX)
    def refuse(self, at: int) -> None:
        self._step(at, "refuse")

    @rule(at=INDEX)
    def give_up(self, at: int) -> None:
        """Not of commits: what keeps those from arriving late is in ``transport.thread``."""
        mine = [r for r in self._open() if not r.arrived and not r.what.startswith("commit")]
        if mine:
            self.world.give_up(mine[at % len(mine)])

    @rule(at=INDEX)
    def server_dies_between_table_and_view(self, at: int) -> None:
        inserts = [r for r in self._open() if r.what.startswith("insert") and not r.arrived]
        if inserts:
            self.world.step(inserts[at % len(inserts)], "half")

    # -- workers ---------------------------------------------------------------------------------

    @rule()
    def rebalance_untold(self) -> None:
        self.world.join()

    @rule()
    def rebalance_told(self) -> None:
        for worker in self._living():
            worker.leave()
        self.world.settle()
        self.world.join()

    @rule(at=INDEX)
    def crash(self, at: int) -> None:
        living = self._living()
        if living:
            living[at % len(living)].crash()
            self.world.settle()

    @rule(at=INDEX, long=st.booleans())
    def pause(self, at: int, long: bool) -> None:
        """SIGSTOP; beyond the session another one gets the partition."""
        awake = [w for w in self._living() if not w.paused]
        if awake:
            worker = awake[at % len(awake)]
            worker.paused = True
            self.world.clock.advance(SESSION_S + 1 if long else 1.0)
            if long and worker is self.world.owner:
                self.world.join()

    @rule()
    def wake(self) -> None:
        for worker in self._living():
            worker.paused = False

    # -- stores ----------------------------------------------------------------------------------

    @rule(back=st.integers(1, 4))
    def keys_lose_their_tail(self, back: int) -> None:
        restore(self.world.keys, self.keys_before[-min(back, len(self.keys_before))])

    @rule()
    def remember_keys(self) -> None:
        self.keys_before.append(snapshot(self.world.keys))

    @rule()
    def stop_all(self) -> None:
        """An operator stops every worker and waits until nothing is under way."""
        for worker in self._living():
            worker.paused = False
            worker.leave()
        self.world.settle()
        for request in list(self.world.requests):
            self.world.step(request)

    @precondition(lambda self: self._quiet() and self._whole())
    @rule(name=st.sampled_from(list(TABLES)))
    def back_up_table(self, name: str) -> None:
        self.tables_before[name].append(snapshot(self.world.tables[name]))

    @precondition(lambda self: self._quiet())
    @rule(back=st.integers(1, 3), name=st.sampled_from(list(TABLES)))
    def restore_table(self, back: int, name: str) -> None:
        """Only with the workers stopped, as docs/exactly-once.md says."""
        before = self.tables_before[name]
        restore(self.world.tables[name], before[-min(back, len(before))])

    @precondition(lambda self: self._quiet() and self._whole())
    @rule()
    def delete_offsets(self) -> None:
        """Only with the workers stopped and no insert cut off between table and view."""
        self.world.coordinator.committed = None

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def never_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        for held in (held for t in self.world.tables.values() for held in (t.rows, t.view)):
            assert len(held) == len(set(held)), f"twice: {Counter(held) - Counter(set(held))}"
        assert set(self.world.keys.counts.values()) <= {1}
        for worker in self.world.workers:
            assert worker.failed is None

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.drain()
            self.never_twice()
            everything = list(filter(due, range(self.world.log)))
            for name, takes in TABLES.items():
                table, expected = self.world.tables[name], list(filter(takes, everything))
                assert sorted(table.rows) == sorted(table.view) == expected
            assert sorted(self.world.keys.counts) == everything
        finally:
            self.world.close()

    def _living(self) -> list[Worker]:
        return [w for w in self.world.workers if not w.dead and not w.stopped]

    def _open(self) -> list[Request]:
        """Requests that can make progress now; those of a paused worker may still arrive."""
        return [r for r in self.world.requests if not (r.arrived and r.sender.paused)]

    def _step(self, at: int, how: str) -> None:
        open_ = self._open()
        if open_:
            self.world.step(open_[at % len(open_)], how)

    def _quiet(self) -> bool:
        return not self._living() and not self.world.requests

    def _whole(self) -> bool:
        return all(sorted(t.rows) == sorted(t.view) for t in self.world.tables.values())


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
