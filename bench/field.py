"""Who takes part in the bench, in which jobs, and how each is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.peers import java, python
from bench.process import contestant

CONTESTANTS = Path(__file__).parent / "contestants"
PEERS = Path(__file__).parent / "peers"
MARK = "# ----"
REDUCED = ("decode", "minutes", "users")


@dataclass(frozen=True)
class Contestant:
    """A program that consumes a topic and prints a RESULT line, see ``bench.contract``.

    ``program`` gives its arguments before the job; for one ``outside`` of this environment it
    installs what that needs first. ``source`` is where its user's code stands. A contestant that is
    ``slow`` gets fewer events: a prefix.
    """

    name: str
    program: Callable[[], list[str]]
    source: Path
    jobs: tuple[str, ...] = REDUCED
    slow: bool = False
    outside: bool = False

    @property
    def user_lines(self) -> dict[str, int]:
        """By job, lines between the marks that name it, or that name none: the user's code."""
        return {job: _lines(self.source.read_text(encoding="utf-8"), job) for job in self.jobs}


def _lines(text: str, job: str) -> int:
    inside, count = False, 0
    for line in map(str.strip, text.splitlines()):
        if line.startswith((MARK, "// ----")):
            title = line.partition("what the user writes")
            inside = bool(title[1]) and (not title[2] or job in title[2])
        elif inside and line:
            count += 1
    return count


def _ours(module: str) -> Callable[[], list[str]]:
    return lambda: contestant(module)


def _theirs(peer: str, module: str) -> Callable[[], list[str]]:
    return lambda: [str(python.interpreter(peer)), "-m", f"bench.contestants.{module}"]


HEADRACE = "Headrace"
FIELD = (
    Contestant(
        "confluent-kafka, consume", _ours("raw_confluent"), CONTESTANTS / "raw_confluent.py",
        ("consume",),
    ),
    Contestant(
        "aiokafka, getmany", _ours("raw_aiokafka"), CONTESTANTS / "raw_aiokafka.py", ("consume",)
    ),
    Contestant(HEADRACE, _ours("headrace_blocks"), CONTESTANTS / "headrace_blocks.py"),
    Contestant(
        "Kafka Streams", lambda: java.program("kafka-streams"),
        PEERS / "kafka-streams/src/main/java/headrace/bench/Peer.java", outside=True,
    ),
    Contestant(
        "Flink", lambda: java.program("flink"),
        PEERS / "flink/src/main/java/headrace/bench/Peer.java", outside=True,
    ),
    Contestant(
        "Quix Streams", _theirs("quix", "quix"), CONTESTANTS / "quix.py", slow=True, outside=True
    ),
    Contestant(
        "Bytewax", _theirs("bytewax", "bytewax_flow"), CONTESTANTS / "bytewax_flow.py", slow=True,
        outside=True,
    ),
    Contestant("Faust", _ours("faust_streams"), CONTESTANTS / "faust_streams.py", slow=True),
)  # fmt: skip
