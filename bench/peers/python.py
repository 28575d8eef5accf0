"""The Python peers' interpreters: each in an environment of its own, made from its lock.

A peer's requirements can't be met beside Headrace's, and none of Headrace's packages may lend it a
version that its own maintainers have not chosen.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from headrace.errors import ConfigError
from headrace.stack.maven import cache_dir

PEERS = Path(__file__).resolve().parent
TOLD = 800  # characters of pip's output that an error repeats


def interpreter(peer: str) -> Path:
    """The Python with what ``bench/peers/<peer>/requirements.lock`` names, installed if need be.

    Raises ConfigError when there is no such lock or it can't be installed.
    """
    lock = PEERS / peer / "requirements.lock"
    if not lock.is_file():
        raise ConfigError(f"{peer}: there is no bench/peers/{peer}/requirements.lock")
    target = cache_dir() / "peers" / f"{peer}-{_digest(lock)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = _install(peer, lock, Path(folder) / "venv")
            try:
                made.rename(target)  # only its scripts know where it was made, and none is run
            except OSError:
                if not target.exists():  # else somebody else was quicker
                    raise
    return _python(target)


def _digest(lock: Path) -> str:
    """An environment is good for one lock, and for the one interpreter it links to."""
    made_by = f"{sys.version} {sys.base_prefix}"
    return hashlib.sha256(lock.read_bytes() + made_by.encode()).hexdigest()[:16]


def _install(peer: str, lock: Path, venv: Path) -> Path:
    pip = [str(_python(venv)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for argv in (
        [sys.executable, "-m", "venv", str(venv)],
        [*pip, "--require-hashes", "--no-deps", "-r", str(lock)],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-TOLD:]
            raise ConfigError(f"{peer}: {lock.name} can't be installed: {said}")
    return venv


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"
