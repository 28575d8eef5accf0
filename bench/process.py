"""Contestants run in a process of their own and print their figures as one RESULT line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.lifeline import die_with_parent

ROOT = Path(__file__).resolve().parent.parent


def result_of(name: str, command: Sequence[str], timeout: float = 900) -> dict[str, Any]:
    """Run a program for at most ``timeout`` s; returns what it measured.

    Raises RuntimeError with the end of its stderr when it gives no result.
    """
    process = subprocess.Popen(
        command,
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


def contestant(module: str, *args: str) -> list[str]:
    """The command for one of ``bench.contestants``, in this interpreter."""
    return [sys.executable, "-m", f"bench.contestants.{module}", *args]
