"""A small disk of its own for each service, so that one can be filled to the last byte."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SIZE = "1g"


class Disks:
    """tmpfs mounts over folders; where mounting is not allowed, ``available`` is False."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._mounted: dict[str, Path] = {}
        self.available = True
        for name, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                self.available = False
                break
            self._mounted[name] = folder

    def fill(self, name: str) -> None:
        """Leave not one block free."""
        file = os.open(self._filler(name), os.O_CREAT | os.O_WRONLY)
        try:
            size = 0
            for step in (1 << 24, 1 << 12):
                while True:
                    try:
                        os.posix_fallocate(file, size, step)
                    except OSError:  # that much is not left
                        break
                    size += step
        finally:
            os.close(file)

    def free(self, name: str) -> None:
        """Give the space back."""
        self._filler(name).unlink()

    def close(self) -> None:
        """Unmount; services must have ended."""
        for folder in self._mounted.values():
            subprocess.run(["umount", str(folder)], check=True)

    def _filler(self, name: str) -> Path:
        return self._mounted[name] / "filler"
