"""What a redrive sent is no repeat, whatever stands before it: a function of the log alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.block import Block, TopicPartition
from headrace.delivery.duplicates import Duplicates
from headrace.headers import REDRIVEN
from headrace.topology.model import Topology
from tests.integration.harness import decode

Log = list[tuple[int, bytes, bool]]  # offset, id, whether a redrive sent it
TP = TopicPartition("t", 0)


def topology(window: int) -> Topology:
    dedupe = {"key": "value", "window": window}
    return Topology.model_validate(
        {
            "version": 1,
            "name": "g",
            "topics": {"t": {"schema": "s", "key": "k", "dedupe": dedupe}},
            "agents": {"a": {"function": "m:f", "reads": ["t"], "writes": {}}},
            "clickhouse": {"tables": {}},
        }
    )  # fmt: skip


def block(log: Log, last: int) -> Block:
    marks = {
        i: (("own", b"1"), (REDRIVEN, b"0:7")) for i, (_, _, redriven) in enumerate(log) if redriven
    }
    plain = {i: (("own", b"1"),) for i in range(len(log)) if i % 3 == 0}
    return Block(
        "t",
        0,
        log[0][0],
        last,
        [name for _, name, _ in log],
        np.array([offset for offset, _, _ in log], np.int64),
        np.zeros(len(log), np.int64),
        [None] * len(log),
        plain | marks,
    )


def by_dictionary(log: Log, window: int) -> list[int]:
    """Offsets that are delivered."""
    kept, at = [], {}
    for offset, name, redriven in log:
        if redriven or at.get(name, -1) < offset - window or name not in at:
            kept.append(offset)
        at[name] = offset
    return kept


async def delivered(log: Log, window: int, draw: Callable[[int], int]) -> list[int]:
    """The same by the real filter: cut anywhere, and begun anew at some cuts."""
    kept: list[int] = []
    with ThreadPoolExecutor(1) as executor:

        def begun(position: int) -> tuple[Duplicates, int]:
            made = Duplicates(topology(window), {"t": decode}, executor, lambda: None)
            return made, made.begin(TP, position)

        duplicates, _ = begun(0)
        at = 0
        while at < len(log):
            if draw(4) == 0:
                duplicates, since = begun(log[at][0])
                before = [entry for entry in log[:at] if entry[0] >= since]
                if before:
                    await duplicates.recall(block(before, log[at][0] - 1))
            stop = min(len(log), at + 1 + draw(12))
            last = log[stop - 1][0] if stop == len(log) else log[stop][0] - 1
            frame = await duplicates.decode(block(log[at:stop], last), decode)
            kept += frame.df["_offset"].to_list()
            assert frame.repeats == stop - at - len(frame)
            at = stop
    return kept


@st.composite
def logs(draw):
    offsets = np.cumsum(draw(st.lists(st.integers(1, 3), min_size=1, max_size=50))) - 1
    few = draw(st.sampled_from([1, 4, 30]))
    return [
        (int(offset), b"%d" % draw(st.integers(0, few)), draw(st.integers(0, 4)) == 0)
        for offset in offsets
    ]


@given(logs(), st.sampled_from([1, 3, 20, 1000]), st.randoms(use_true_random=False))
def test_as_a_dictionary_would_wherever_it_is_cut_and_begun_anew(log, window, random):
    found = asyncio.run(delivered(log, window, random.randrange))
    assert found == by_dictionary(log, window)


def test_a_redriven_record_is_delivered_and_the_next_of_its_id_is_a_repeat():
    log = [(0, b"a", False), (1, b"a", False), (2, b"a", True), (3, b"a", False)]
    assert asyncio.run(delivered(log, 10, lambda _: 3)) == [0, 2]
