"""How targets are fuzzed: for how long, within which bounds, and with what kept inputs."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
#: Of the nightly profile, in all.
MINUTES = 10.0
TARGETS = ("codec", "topology", "front", "produce", "registry_api")
SHARE_S = MINUTES * 60 / len(TARGETS)
#: For one input of at most MOST bytes.
DEADLINE = timedelta(seconds=5)
MEMORY_BYTES = 256 << 20
MOST = 4_096

Target = Callable[[bytes], None]


def kept(name: str) -> list[pytest.param]:
    """A target's corpus, as parameters."""
    return [
        pytest.param(path.read_bytes(), id=path.name) for path in sorted((CORPUS / name).iterdir())
    ]


def bounded(target: Target, data: bytes) -> None:
    """Run a target; fail when it takes too long or too much memory."""
    began, before = time.monotonic(), _peak()
    target(data)
    seconds, grown = time.monotonic() - began, _peak() - before
    assert seconds < DEADLINE.total_seconds(), f"{len(data)} bytes took {seconds:.1f} s"
    assert grown < MEMORY_BYTES, f"{len(data)} bytes took {grown >> 20} MiB"


def hunt(target: Target, inputs: st.SearchStrategy[bytes]) -> None:
    """Try generated inputs: one run of hypothesis, in the nightly profile as many as time allows.

    What fails is shrunk and printed; put the bytes into the target's corpus.
    """

    @settings(deadline=None)
    @given(inputs)
    def once(data: bytes) -> None:
        bounded(target, data)

    nightly = settings.get_current_profile_name() == "nightly"
    end = time.monotonic() + (SHARE_S if nightly else 0)
    while True:
        once()
        if time.monotonic() >= end:
            return


def mangled(seeds: list[bytes], tokens: list[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds with pieces cut, doubled, flipped, replaced by tokens or by anything."""
    piece = st.sampled_from(tokens) | st.binary(max_size=8)

    @st.composite
    def one(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(st.sampled_from(seeds)))
        for _ in range(draw(st.integers(1, 4))):
            a = draw(st.integers(0, len(data)))
            b = draw(st.integers(a, min(len(data), a + 40)))
            data[a:b] = draw(st.one_of(piece, st.just(bytes(data[a:b]) * 2)))
        return bytes(data[:MOST])

    return one() | st.binary(max_size=200) | st.lists(piece, max_size=30).map(b"".join)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
