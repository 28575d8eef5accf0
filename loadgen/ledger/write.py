"""Writing a ledger's folder in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from headrace.errors import ConfigError

SUMMARY = "summary.json"


def check(folder: Path) -> None:
    """Refuse a folder that holds something else than a ledger: it will be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / SUMMARY).exists()):
        raise ConfigError(
            f"--ledger {str(folder)!r} exists and is not a ledger (no {SUMMARY} in it): "
            "name another folder or an earlier ledger"
        )


def write(folder: Path, sections: Mapping[str, pl.DataFrame], summary: bytes) -> None:
    """Write ``<section>.parquet`` each and the summary beside the folder, then move it there."""
    check(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, frame in sections.items():
            frame.write_parquet(fresh / f"{name}.parquet")
        (fresh / SUMMARY).write_bytes(summary)
        fresh.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old)
            os.replace(fresh, folder)
            shutil.rmtree(old)
        else:
            os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
