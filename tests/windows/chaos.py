"""``python -m tests.windows.chaos``: the faults of `tests.chaos` upon sessions and joins.

    python -m tests.windows.chaos [--faults 40] [--orders 3000] [--seed N]

Events out of order, late and repeated are sent in as many parts as there are faults, each followed
by one at random; then what stands in ClickHouse is compared with plain Python over all events.
Exit code 1 when it differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.__main__ import staged
from tests.chaos.disks import Disks
from tests.chaos.faults import FAULTS, SERVICES, Scene
from tests.windows.shop import Made, Shop, compared, import_path, write

DRAIN_S = 600.0


def play(seed: int, faults: int, orders: int, workers: int = 2) -> dict[str, Any]:
    """One run; returns the report."""
    rng = random.Random(seed)
    home = Path(tempfile.mkdtemp(prefix="headrace-windows-"))
    os.environ["HEADRACE_HOME"] = str(home / "home")
    root = home / "project"
    root.mkdir()
    write(root, "visits")
    made = Made(seed, orders)
    names = [name for name in FAULTS if name != "disk full"]
    weights = [FAULTS[name].weight for name in names]
    injected = []
    disks = Disks({name: home / name for name in SERVICES})
    path = import_path(root)
    try:
        with staged(root, home, disks, rng, workers, PYTHONPATH=path) as scene:
            try:
                shop = Shop(root, scene.where)
                scene.pause(5.0)
                for topics in made.sent(parts=faults):
                    for topic, events in topics:
                        shop.send(topic, events)
                    scene.pause(0.0, 2.0)
                    injected.append(rng.choices(names, weights)[0])
                    FAULTS[injected[-1]].inject(scene)
                    print(f"{len(injected)}/{faults} {injected[-1]}", file=sys.stderr, flush=True)
                _drain(scene, shop)
            finally:
                for group in (scene.workers, *scene.extra):
                    group.stop()
            found = compared(shop, made)
    finally:
        disks.close()
    differing = {what: len({*map(repr, a)} ^ {*map(repr, b)}) for what, (a, b) in found.items()}
    right = all(stands == must for stands, must in found.values())
    if right:
        shutil.rmtree(home)
    return {
        "seed": seed,
        "faults": injected,
        "events": sum(map(len, (made.sessions, made.orders, made.catalog))),
        "compared": {what: len(must) for what, (_, must) in found.items()},
        "differing": differing,
        "right": right,
    }


def _drain(scene: Scene, shop: Shop) -> None:
    deadline = time.monotonic() + DRAIN_S
    while shop.behind() or shop.behind():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not drained after {DRAIN_S:.0f} s")
        scene.pause(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.windows.chaos")
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--orders", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    report = play(args.seed, args.faults, args.orders)
    print(json.dumps(report))
    return 0 if report["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
