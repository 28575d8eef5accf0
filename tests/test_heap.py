"""The C library's heap: one for all threads."""

import ctypes
import subprocess
import sys

import pytest

from headrace.heap import one_arena

#: Prints whether what a thread allocates lies in the process's own heap.
THREAD = """
import ctypes, sys, threading
from headrace.heap import one_arena
if sys.argv[1] == "one":
    one_arena()
malloc, found = ctypes.CDLL(None).malloc, []
malloc.restype = ctypes.c_void_p
thread = threading.Thread(target=lambda: found.append(malloc(1000)))
thread.start()
thread.join()
(line,) = [line for line in open("/proc/self/maps") if line.endswith("[heap]\\n")]
first, last = (int(end, 16) for end in line.split()[0].split("-"))
print(first <= found[0] < last)
"""


def in_own_heap(which: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", THREAD, which], capture_output=True, text=True, check=True
    )
    return done.stdout == "True\n"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_threads_share_one_heap():
    assert not in_own_heap("many")
    assert in_own_heap("one")


def test_elsewhere_than_on_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    one_arena()
