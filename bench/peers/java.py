"""The JVM peers: built by Maven, each into a folder of jars, see ``bench/peers/pom.xml``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.contract import SCHEMA_FILE
from headrace.errors import ConfigError
from headrace.stack.maven import INSTALL, cache_dir

PEERS = Path(__file__).resolve().parent
MAIN = "headrace.bench.Peer"
TOLD = 1_500  # characters of Maven's output that an error repeats
#: Of the parallel collector, G1 and the serial one it took the least CPU. Left alone it lets the
#: young generation grow with the heap, which saved nothing and doubled the memory.
FLAGS = ("-Xmx4g", "-Xmn512m", "-XX:+UseParallelGC")


def program(peer: str) -> list[str]:
    """The arguments, up to the job, that run ``bench/peers/<peer>``, which is built the first time.

    Raises ConfigError when there is no such peer, no Java or Maven, or when it can't be built.
    """
    if not (PEERS / peer / "pom.xml").is_file():
        raise ConfigError(f"{peer}: there is no bench/peers/{peer}/pom.xml")
    java = _tool(peer, "java")
    sources = _sources()
    target = cache_dir() / "peers" / f"{peer}-{_digest(sources)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = _build(peer, sources, Path(folder))
            try:
                made.rename(target)
            except OSError:
                if not target.exists():  # else somebody else was quicker
                    raise
    return [java, *FLAGS, "-cp", f"{target}/*", MAIN]


def _tool(peer: str, name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{peer}: there is no {name!r} on the PATH: {INSTALL}")
    return found


def _sources() -> list[Path]:
    """Of all peers: Maven reads every module's pom.xml before it builds one."""
    found = [*PEERS.glob("pom.xml"), *PEERS.glob("*/pom.xml"), *PEERS.glob("*/src/**/*")]
    return sorted(path for path in found if path.is_file())


def _digest(sources: list[Path]) -> str:
    digest = hashlib.sha256(SCHEMA_FILE.read_bytes())
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PEERS)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _build(peer: str, sources: list[Path], folder: Path) -> Path:
    """Build in a copy, so that two builds at once don't meet and none writes to the tree."""
    for path in sources:
        copy = folder / path.relative_to(PEERS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    argv = [_tool(peer, "mvn"), "-q", "-B", "-Dstyle.color=never", "package", "-pl", peer, "-am"]
    argv.append(f"-Dschemas={SCHEMA_FILE.parent}")
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{peer}: Maven can't build it: {done.stdout.strip()[-TOLD:]}")
    return folder / peer / "target" / "peer"
