"""A view replayed while everything else goes on, killed at some step and gone on with."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from headrace.delivery.crash import REPLAY_POINTS, VARIABLE
from headrace.errors import Terminal
from headrace.lifeline import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0


def replay_killed(home: Path, view: str, rng: random.Random, meanwhile: Callable[[], None]) -> None:
    """In the end readers see the new version, the only one. ``meanwhile`` is called all the time.

    Switched whatever the comparison says: the proof at the end of the run is for the new version.
    What the commands say goes to a file in ``home``.
    """
    point = rng.choice(REPLAY_POINTS)
    asked = ["--switch", "--rows", "5000", "--wait", "5"]
    if _run(home, [view, *asked], meanwhile, {VARIABLE: f"{point}:{rng.randint(1, 2)}"}) > 0:
        raise Terminal(f"chaos: the replay of {view} failed by itself, it was to die at {point}")
    for arguments in ([view, *asked], [view, "--drop-old"]):
        if code := _run(home, arguments, meanwhile, {}):
            raise Terminal(f"chaos: headrace replay {' '.join(arguments)} ended with {code}")


def _run(
    home: Path, arguments: list[str], meanwhile: Callable[[], None], env: dict[str, str]
) -> int:
    with (home / "replay.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", "replay", *arguments], cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env}, stdout=log, stderr=log,
            preexec_fn=die_with_parent,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise Terminal(f"chaos: headrace replay {' '.join(arguments)} did not end")
        meanwhile()
        time.sleep(0.05)
    return int(process.returncode)
