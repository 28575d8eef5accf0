"""Imported by Python at start when this folder is on its path: shifts the wall clock."""

import os
import time

_shift_s = int(os.environ["HEADRACE_CHAOS_CLOCK_S"])
_time, _time_ns = time.time, time.time_ns


def _shifted() -> float:
    return _time() + _shift_s


def _shifted_ns() -> int:
    return _time_ns() + _shift_s * 1_000_000_000


time.time = _shifted
time.time_ns = _shifted_ns
