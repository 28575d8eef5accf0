"""docs/tutorial.md works as it stands: every block is run, every answer compared."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import stack
from tests.docs.shell import Shell, blocks, fits

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """With ``headrace`` and ``python`` of this checkout, and no services but those it starts."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, command in {"python": "", "headrace": " -m headrace.cli.main"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable}{command} "$@"\n')
        (tools / name).chmod(0o755)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    environ |= {"PATH": f"{tools}:{environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    made = Shell(tmp_path, environ)
    yield made
    made.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HEADRACE_HOME", raising=False)
        stack.down(tmp_path / "site")


@pytest.mark.services
@pytest.mark.timeout(400)
def test_the_tutorial(shell: Shell, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for block in blocks(PAGE.replace("8081", port)):
        shell.run(block)
        if "new view" in block.command:
            made = (tmp_path / "site/topology.yaml").read_text(encoding="utf-8")
    for shown in PAGE.split("```yaml\n")[1:]:
        assert shown.partition("```")[0] in made


def test_answers_are_compared():
    assert fits("a\n…\nz", "x\na\nb\nc\nz\n")
    assert fits("2 passed…", "..\n2 passed in 0.1s")
    assert not fits("a\nz", "a\nb\nz")
    page = "```sh\none\n```\n\n```\n1\n```\n\ntext\n\n```sh\ntwo\n```\n\ntext\n\n```\nno\n```\n"
    assert [(b.line, b.command, b.answer) for b in blocks(page)] == [
        (1, "one\n", "1\n"),
        (11, "two\n", None),
    ]
