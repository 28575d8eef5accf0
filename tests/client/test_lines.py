"""Lines come in batches, whole and in order, and none waits for the next one."""

from __future__ import annotations

import io
import os

from hypothesis import given
from hypothesis import strategies as st

from headrace.client import lines
from headrace.client.lines import at_hand


class Dripping(io.RawIOBase):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        part = self._data.read(min(self._size, len(buffer)))
        buffer[: len(part)] = part
        return len(part)


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"")), max_size=9), st.booleans())
def test_lines_are_whole_wherever_reads_end(wanted, ended):
    data = b"\n".join(wanted) + (b"\n" if ended else b"")
    for size in (1, 3, lines.CHUNK_BYTES):
        found = [
            line for batch in at_hand(io.BufferedReader(Dripping(data, size))) for line in batch
        ]
        assert [line for line in found if line] == [line for line in wanted if line]
        assert found == data.split(b"\n")[: len(found)]


def test_what_a_pipe_has_is_not_held_back():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as file, os.fdopen(write, "wb", buffering=0) as pipe:
        batches = at_hand(file)
        pipe.write(b"one\ntwo\nthr")
        assert next(batches) == [b"one", b"two"]
        pipe.write(b"ee\n")
        assert next(batches) == [b"three"]


def test_other_iterables_are_taken_one_by_one():
    assert list(at_hand([b"a\n", b"b"])) == [[b"a\n"], [b"b"]]
