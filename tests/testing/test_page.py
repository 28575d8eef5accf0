"""The examples of docs/testing.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
#: What the examples define, each on top of those before it.
NAMES: dict[str, Any] = {"__name__": "docs.testing"}
for example in EXAMPLES:
    exec(compile(example, "docs/testing.md", "exec"), NAMES)
TESTS = {name: test for name, test in NAMES.items() if name.startswith("test_")}


def test_every_example_is_a_test():
    assert len(TESTS) == len(EXAMPLES)


@pytest.mark.parametrize("name", TESTS)
def test_an_example_of_the_page(name: str):
    TESTS[name]()
