"""A page's shell blocks run in order in one shell, and its answers compared."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

PATIENCE_S = 90.0
#: Commands that only read: their answer may not be there yet, so they are asked again.
READING = ("curl ", "headrace tap ")


@dataclass(frozen=True, slots=True)
class Block:
    """A ``sh`` block, and the block without a language that follows it: what it answers."""

    line: int
    command: str
    answer: str | None


def blocks(page: str) -> Iterator[Block]:
    """All of a page's, in order."""
    fences = list(re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    for i, fence in enumerate(fences):
        if fence[1] != "sh":
            continue
        after = fences[i + 1] if i + 1 < len(fences) else None
        follows = (
            after is not None and not after[1] and not page[fence.end() : after.start()].strip()
        )
        line = page.count("\n", 0, fence.start()) + 1
        yield Block(line, fence[2], after[2] if follows else None)


def fits(answer: str, found: str) -> bool:
    """Whether ``found`` has the lines of ``answer`` in its order; ``…`` stands for anything."""
    parts = [re.escape(line.rstrip()) for line in answer.strip("\n").splitlines()]
    pattern = r"[^\S\n]*\n".join(parts).replace("…", r"[\s\S]*?")
    return re.search(pattern, found) is not None


class Shell:
    """One bash for a whole page, with its background jobs; ``close`` ends them all."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        # Two open files: a seek of the reader must not move the place where the shell writes.
        with (folder / ".out").open("ab") as out:
            self._process = subprocess.Popen(
                ["bash", "--norc"], cwd=folder, env=dict(environ), stdin=subprocess.PIPE,
                stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self._out = (folder / ".out").open(encoding="utf-8")

    def run(self, block: Block) -> str:
        """What a block printed; raises AssertionError where that is not what the page says."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            code, found = self._once(block, time.monotonic() + PATIENCE_S)
            if code == 0 and (block.answer is None or fits(block.answer, found)):
                return found
            again = block.command.startswith(READING) and time.monotonic() < deadline
            assert again, f"line {block.line}, exit code {code}:\n{block.command}\n{found}"
            time.sleep(0.2)

    def _once(self, block: Block, deadline: float) -> tuple[int, str]:
        assert self._process.stdin is not None
        begin = self._out.seek(0, os.SEEK_END)
        # Not a subshell: folders, variables and jobs stay. The shell's own input is not its.
        whole = f"{{\n{block.command}\n}} < /dev/null\n"
        self._process.stdin.write(f"{whole}code=$?; echo; echo end-of-block $code\n")
        self._process.stdin.flush()
        while True:
            self._out.seek(begin)
            found = self._out.read()
            if done := re.search(r"\nend-of-block (\d+)\n\Z", found):
                return int(done[1]), found[: done.start()]
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"line {block.line} does not end:\n{block.command}\n{found}"
            time.sleep(0.02)

    def close(self) -> None:
        """End the shell and its jobs."""
        assert self._process.stdin is not None
        if self._process.poll() is None:
            self._process.stdin.write("\nkill $(jobs -p); wait; exit\n")
            self._process.stdin.close()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                process = psutil.Process(self._process.pid)
                for one in [*process.children(recursive=True), process]:
                    one.kill()
                self._process.wait()
        self._out.close()
