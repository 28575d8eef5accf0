"""A project of its own, served by a real ``headrace serve``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
SHARED = "  platform.flags.eu: {schema: flags, key: user_id}\n"


def project(folder: Path) -> Path:
    """A copy of the project's declarations, in which two topics share the schema of flags."""
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    text = (ROOT / "topology.yaml").read_text()
    place = text.index("\ndead_letters:")
    (folder / "topology.yaml").write_text(text[:place] + SHARED + text[place:])
    return folder


@contextmanager
def served(root: Path, *options: str, **env: str) -> Iterator[str]:
    """The address of a server, which must stop in order. ``env`` is added to the environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", "serve", "--port", "0", *options],
        cwd=root, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("Serving on ").strip()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        process.stdout.close()
    assert code == 0
