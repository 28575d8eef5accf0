"""The command line in this process: quick, with its output and exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from headrace.cli.main import main


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


class Commands:
    """``headrace`` in a project's folder, which becomes the current one."""

    def __init__(
        self, root: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patch.chdir(root)
        self._patch = patch
        self._capsys = capsys

    def __call__(self, *args: str) -> Said:
        self._patch.setattr(sys, "argv", ["headrace", *args])
        with pytest.raises(SystemExit) as exited:
            main()
        return Said(int(exited.value.code or 0), *self._capsys.readouterr())
