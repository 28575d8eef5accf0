"""Decoding does not import pandas, which costs half a second and 60 MB, and comes with chDB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from bench.events import chunks
from headrace.block import Block
from headrace.schema import Codec, Registry

(_, values), *_ = chunks(100, 10)
n = np.arange(100)
block = Block("t", 0, 0, 99, values, n, n, [None] * 100, {}, 0)
assert len(Codec(Registry.load(Path("ROOT")), "payments").decode(block).df) == 100
print("pandas" in sys.modules)
"""


def test_decoding_does_not_import_pandas():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("ROOT", str(ROOT))],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False"]
