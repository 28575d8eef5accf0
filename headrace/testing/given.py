"""Given events, when agents run on them, then rows and keys: the same ones however it went."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

from headrace.block import TopicPartition
from headrace.frame import Frame
from headrace.keyed.timer import timer_event, timer_id
from headrace.memory import MemorySink
from headrace.sink import BlockRange
from headrace.testing.agents import Run, Tested, checked, runs
from headrace.testing.project import Event, Project, project
from headrace.testing.steps import step
from headrace.testing.stores import Stores, updates
from headrace.writes import NOTHING, Writes

Log = Sequence[Event | None]
#: Disturbed runs a call; the first has every record as a block, the others are drawn.
DISTURBED = 8
#: How many workers at most die over one block.
DEATHS = 2


class Given:
    """Logs of topics; None is a tombstone. A key that is only a topic means its partition 0.

    An event that does not fit its topic's schema raises EncodeError, one that fails a rule
    AssertionError: what is set aside can't be what a test is about.
    """

    def __init__(
        self,
        logs: Mapping[str, Log] | Mapping[TopicPartition, Log],
        within: Project | None = None,
    ) -> None:
        """``within``: the project that has the topics, if not the one in the current folder."""
        self._project = within or project(Path.cwd())
        self._logs: dict[TopicPartition, Log] = {
            TopicPartition(key, 0) if isinstance(key, str) else key: log
            for key, log in logs.items()
        }
        self._frame = cache(self._decoded)

    def when(
        self, *agents: Tested, disturbed: int = DISTURBED, now: datetime | None = None
    ) -> MemorySink:
        """What tables and keys hold after the agents had all events, each topic one block.

        An agent with state must be in the topology, or be a ``StatefulAgent``. What agents emit is
        in ``events``; to go on with it, give it to another ``Given``. With ``now`` all timers that
        are due by then fire after the events, in the order in which they are due.

        Raises AssertionError when one of ``disturbed`` other runs ends differently: with other
        blocks, partitions in other turns, workers that died between two writes. Its text has
        that run, block by block, and how its end differs. The same events get the same runs.
        """
        tested, until = runs(agents, self._project), _ms(now)
        held = Stores()
        for tp, log in self._logs.items():
            if log:
                held.take(*self._asked(tested, held, self._frame(tp, 0, len(log))))
        self._ring(tested, held, until)
        for seed in range(disturbed):
            found = Stores()
            happened = list(self._disturbed(tested, found, Random(seed), alone=seed == 0))
            happened += self._ring(tested, found, until)
            expected, got = self._state(held), self._state(found)
            if expected != got:
                raise AssertionError("\n".join(_told(happened, expected, got)))
        return held

    def _state(self, held: MemorySink) -> list[str]:
        """All that is held, a line each; of what was emitted, what has one key in its order."""
        lines = [f"{key}: {value}" for key, value in held.state()]
        for topic, events in sorted(held.events.items()):
            by_key: dict[str, list[Event]] = {}
            for event in events:
                by_key.setdefault(event[self._project.topology.topics[topic].key], []).append(event)
            lines += [f"{topic} {key}: {by_key[key]}" for key in sorted(by_key)]
        return lines

    def _ring(self, tested: Sequence[Run], stores: Stores, until: int) -> list[str]:
        """Fire the timers that are due, each as a block of its own behind the log."""
        happened = []
        ends = {tp: len(log) for tp, log in self._logs.items()}
        fired: set[str] = set()
        while rung := next(self._due(tested, stores, until, fired), None):
            tp, event = rung
            first = ends.get(tp, 0)
            ends[tp] = first + 1
            frame = self._project.frame(tp.topic, [event], tp.partition, first)
            stores.take(*self._asked(tested, stores, frame))
            happened.append(f"{frame.block}: timer {event}")
        return happened

    def _due(
        self, tested: Sequence[Run], stores: Stores, until: int, fired: set[str]
    ) -> Iterator[tuple[TopicPartition, Event]]:
        """The timers that are due and have not fired, the longest due first."""
        topology = self._project.topology
        timed = {
            declared.state.keyspace: run.name
            for run in tested
            if run.name and (declared := topology.agents[run.name]).timer and declared.state
        }
        for (partition, keyspace, key), due in sorted(
            stores.due.items(), key=lambda entry: (entry[1], entry[0])
        ):
            if due > until or keyspace not in timed:
                continue
            name = timed[keyspace]
            place = f"{partition} {timer_id(name, key, due)}"
            if place not in fired:
                fired.add(place)
                topic = topology.agents[name].reads[0]
                yield TopicPartition(topic, partition), timer_event(topology, name, key, due)

    def view(self, name: str) -> list[dict[str, Any]]:
        """Rows of a view of ClickHouse after the agents of its tables had all events.

        They are as readers see them, merged, in the view's order: sums summed, states finished;
        decimals and times are text. ClickHouse's engine runs in this process, with the project's
        own tables and views. Raises AssertionError when the rows differ between each topic as one
        block and every record as a block.
        """
        from headrace.testing.views import rows_of

        if name not in self._project.topology.clickhouse.views:
            known = ", ".join(self._project.topology.clickhouse.views)
            raise KeyError(f"no view {name!r} in the topology; there are {known}")
        whole = [self._frame(tp, 0, len(log)) for tp, log in self._logs.items() if log]
        alone = [
            self._frame(tp, at, at + 1) for tp, log in self._logs.items() for at in range(len(log))
        ]
        held, found = rows_of(self._project, name, whole, alone)
        if held != found:
            told = difflib.unified_diff(
                [str(row) for row in held], [str(row) for row in found],
                "one block", "every record a block", lineterm="", n=0,
            )  # fmt: skip
            raise AssertionError("\n".join(["the view depends on how the log is cut:", *told]))
        return held

    def _decoded(self, tp: TopicPartition, first: int, behind: int) -> Frame:
        frame = self._project.frame(tp.topic, self._logs[tp][first:behind], tp.partition, first)
        if frame.bad:
            bad = frame.bad[0]
            where = f"{tp}@{first + bad.index}"
            raise AssertionError(f"{where} is set aside ({bad.step}): {bad.reason}")
        return frame

    def _asked(
        self, tested: Sequence[Run], stores: Stores, frame: Frame
    ) -> tuple[BlockRange, Writes]:
        """The writes of all agents for a block, as one, asked for anew each time."""

        def together(frame: Frame) -> Writes:
            block = frame.block
            where = BlockRange(block.topic, block.partition, block.first, block.last)
            held = partial(stores.before, where)
            return sum((checked(run.writes(frame, held), self._project) for run in tested), NOTHING)

        return step(together, frame)

    def _disturbed(
        self, tested: Sequence[Run], stores: Stores, random: Random, *, alone: bool
    ) -> Iterator[str]:
        """Run into ``stores`` and say what happened."""
        for tp, first, behind in self._blocks(random, alone=alone):
            for _ in range(0 if alone else random.randint(0, DEATHS)):
                block, writes = self._asked(tested, stores, self._frame(tp, first, behind))
                names = sorted({rows.table for rows in writes.rows})
                tables = random.sample(names, random.randint(0, len(names)))
                total = len(updates(writes))
                end = random.randint(0, total)
                stores.part(block, writes, tables, end)
                yield f"{block}: died with tables {sorted(tables)}, {end} of {total} updates"
            block, writes = self._asked(tested, stores, self._frame(tp, first, behind))
            stores.take(block, writes)
            yield f"{block}: applied"

    def _blocks(self, random: Random, *, alone: bool) -> Iterator[tuple[TopicPartition, int, int]]:
        """Blocks of all partitions in turns, those of one in its order; or each record alone."""
        at = dict.fromkeys(self._logs, 0)
        while left := [tp for tp, log in self._logs.items() if at[tp] < len(log)]:
            tp = random.choice(left)
            first = at[tp]
            at[tp] = first + (1 if alone else random.randint(1, len(self._logs[tp]) - first))
            yield tp, first, at[tp]


def _told(happened: Sequence[str], expected: Sequence[str], got: Sequence[str]) -> Iterator[str]:
    yield "the end depends on how the events are run; this run:"
    yield from (f"  {line}" for line in happened)
    yield from difflib.unified_diff(expected, got, "undisturbed", "this run", lineterm="", n=0)


def _ms(now: datetime | None) -> int:
    """Milliseconds since the epoch; before all time without one."""
    return -1 if now is None else int(now.timestamp() * 1000)
