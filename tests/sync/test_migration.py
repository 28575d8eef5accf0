"""docs/migration.md, run: every block of it in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.serve.server import ROOT
from tests.sync.old_shop import PAGE, PATIENCE_S, OldShop

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]
BLOCK = re.compile(r"^```(sh|sql|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Shell:
    """A reader who runs the page: what ends with ``&`` goes on beside the rest."""

    def __init__(self, shop: OldShop, folder: Path) -> None:
        command = folder / "headrace"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m headrace.cli.main "$@"\n')
        command.chmod(0o755)
        self._shop = shop
        self._env = os.environ | shop.home | {
            "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "HEADRACE_POSTGRES": shop.database,
        }  # fmt: skip
        self._log = folder / "log"
        self._going_on: list[subprocess.Popen[bytes]] = []

    def run(self, language: str, text: str) -> None:
        began = time.monotonic()
        if language == "sql":
            self._shop.sql(text)
        elif language == "python":
            self._wait(self._start([sys.executable, "-c", text]))
        else:
            for line in text.splitlines():
                process = self._start(["sh", "-c", f"exec {line.removesuffix('&')}"])
                if line.endswith("&"):
                    self._going_on.append(process)
                else:
                    self._wait(process)
        self._say(f"{time.monotonic() - began:.1f} s: {text.splitlines()[0]}")

    def check(self) -> None:
        """Whatever was to go on does."""
        assert all(process.poll() is None for process in self._going_on), self._log.read_text()

    def close(self) -> None:
        for process in self._going_on:
            process.send_signal(signal.SIGTERM)
        for process in self._going_on:
            process.wait(60)

    def _start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                argv, cwd=self._shop.root, env=self._env, stdout=log, stderr=log
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait(2 * PATIENCE_S)
        self.check()
        assert code == 0, f"{process.args}\n{self._log.read_text()}"

    def _say(self, text: str) -> None:
        with self._log.open("a") as log:
            log.write(f"--- {text}\n")


def test_the_page_runs_from_its_first_block_to_its_last(old_shop: OldShop, tmp_path: Path) -> None:
    shell = Shell(old_shop, tmp_path)
    try:
        for language, text in BLOCK.findall(PAGE.read_text()):
            shell.run(language, text)
        shell.check()
    finally:
        shell.close()
    asked = ("sync", "compare", "order_states", "--json")
    same = orjson.loads(old_shop.headrace(*asked).stdout)
    assert (same["equal"], same["old_rows"], same["new_rows"]) == (True, 6, 6)

    # Nothing is captured any more: what the old shop does now is seen by nobody, but told here.
    old_shop.sql("UPDATE orders SET status = 'done', total = 100 WHERE customer = 'bob'")
    done = old_shop.headrace(*asked, check=False)
    assert done.returncode == 1
    found = orjson.loads(done.stdout)
    assert (found["equal"], found["differing"]) == (False, 1)
    assert found["examples"] == [
        {"key": ["2"], "column": "state.total", "old": "10000", "new": "9900"},
        {"key": ["2"], "column": "state.status", "old": "delivered", "new": "paid"},
    ]
    (summed,) = found["sums"]
    assert int(summed["old"]) - int(summed["new"]) == 100
    shown = old_shop.headrace("sync", "compare", "order_states", check=False).stdout
    assert "delivered" in shown
    assert "1 rows differ" in shown
