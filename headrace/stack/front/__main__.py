"""``python -m headrace.stack.front --data DIR --port N``: serve until SIGTERM."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from aiohttp import web

from headrace.lifeline import die_with_parent
from headrace.stack.front.engine import Engine
from headrace.stack.front.server import Front

#: ``name:password[,name:password]``; without it the user ``default`` has no password.
USERS = "HEADRACE_FRONT_USERS"

#: ClickHouse's own default of http_max_uri_size: parameters and settings travel in the URL.
MAX_URI_BYTES = 1 << 20


def spool_dir(data: Path) -> Path:
    """Where inserts wait: memory if the machine has it as a folder, else beside the data."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"headrace-{abs(hash(str(data.resolve()))):x}-{os.getpid()}"


def main() -> None:
    """Parse arguments and serve on 127.0.0.1."""
    parser = argparse.ArgumentParser(prog="headrace.stack.front")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--die-with-parent", action="store_true")
    args = parser.parse_args()
    if args.die_with_parent:
        die_with_parent()
    users = dict(
        entry.partition(":")[::2] for entry in os.environ.get(USERS, "default:").split(",")
    )
    spool = spool_dir(args.data)
    try:
        web.run_app(
            Front(Engine(args.data, spool), users).app(),
            host="127.0.0.1",
            port=args.port,
            print=None,
            access_log=None,
            handle_signals=True,
            auto_decompress=False,  # parse() undoes all encodings, lz4 too
            max_line_size=MAX_URI_BYTES,
        )
    finally:
        if spool.exists():
            for leftover in spool.iterdir():
                leftover.unlink()
            spool.rmdir()


if __name__ == "__main__":
    main()
