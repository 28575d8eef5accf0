"""Programs that tests use and Python's registry has not, from the machine or from Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache


@cache
def binary(name: str, package: str) -> str:
    """The path of a program, installed from a Debian package when this user can.

    Fails with what to install where it is missing and this is not root on a Debian system: a test
    that passed without its program would say nothing.
    """
    found = shutil.which(name)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(package)
        found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"no {name!r} on the PATH; on Debian: apt-get install {package}")
    return found


def _install(package: str) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package],
    ):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
