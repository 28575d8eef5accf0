"""A ledger from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl

from headrace.errors import ConfigError
from headrace.topology.model import Topology
from loadgen.verify.state import State, canonical


def load(folder: Path, topology: Topology) -> tuple[State, dict[str, Any]]:
    """The ledger's state and its summary; raises ConfigError when the folder holds none."""
    summary = folder / "summary.json"
    if not summary.exists():
        raise ConfigError(
            f"--ledger {str(folder)!r}: there is no summary.json in it; name the folder that "
            f"'headrace load --ledger' wrote"
        )
    state = {
        path.stem: canonical(path.stem, pl.read_parquet(path), topology)
        for path in sorted(folder.glob("*.parquet"))
    }
    return state, orjson.loads(summary.read_bytes())
