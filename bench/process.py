"""Contestants run in a process of their own and print their figures as one RESULT line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from headrace.lifeline import die_with_parent

ROOT = Path(__file__).resolve().parent.parent


def result_of(name: str, module: str, *args: str, timeout: float = 900) -> dict[str, Any]:
    """Run ``bench.contestants.<module>`` for at most ``timeout`` s; returns what it measured.

    Raises RuntimeError with the end of its stderr when it gives no result.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.contestants.{module}", *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # leaves the stacks of its threads in stderr
        out, err = process.communicate()
    for line in out.splitlines():
        _, mark, figures = line.partition("RESULT ")  # Faust's spinner may stand before it
        if mark:
            return dict(json.loads(figures))
    raise RuntimeError(f"{name} gave no result:\n{err[-3000:]}")
