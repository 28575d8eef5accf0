"""docs/migration.md, run: every block of it in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.server import ROOT
from tests.sync.old_shop import PAGE, PATIENCE_S, OldShop

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]
BLOCK = re.compile(r"^```(sh|sql|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_runs_from_its_first_block_to_its_last(old_shop: OldShop, tmp_path: Path) -> None:
    command = tmp_path / "headrace"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m headrace.cli.main "$@"\n')
    command.chmod(0o755)
    env = os.environ | old_shop.home | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "HEADRACE_POSTGRES": old_shop.database,
    }  # fmt: skip
    going_on: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")
    try:
        for language, text in BLOCK.findall(PAGE.read_text()):
            if language == "sql":
                old_shop.sql(text)
                continue
            lines = text.splitlines() if language == "sh" else [text]
            for line in lines:
                argv = ["sh", "-c", f"exec {line.removesuffix('&')}"]
                argv = argv if language == "sh" else [sys.executable, "-c", line]
                process = subprocess.Popen(argv, cwd=old_shop.root, env=env, stdout=log, stderr=log)
                if line.endswith("&"):
                    going_on.append(process)
                    continue
                code = process.wait(2 * PATIENCE_S)
                assert not any(p.poll() for p in going_on), (tmp_path / "log").read_text()
                assert code == 0, f"{line}\n{(tmp_path / 'log').read_text()}"
        for process in going_on:
            assert process.poll() is None, (process.args, (tmp_path / "log").read_text())
    finally:
        for process in going_on:
            process.send_signal(signal.SIGTERM)
        for process in going_on:
            process.wait(60)
        log.close()
