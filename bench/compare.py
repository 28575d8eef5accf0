"""The peers side by side: the same topics, jobs and answers, in alternating order."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contract import PARTITIONS
from bench.events import Filled, Topic, fill
from bench.field import FIELD, HEADRACE, Contestant
from bench.process import result_of
from headrace.errors import ConfigError

Run = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A job on a topic; ``key`` and ``users`` are the topic's."""

    name: str
    title: str
    job: str
    key: str
    users: int


TASKS = (
    Task("consume", "consume: records untouched", "consume", "type", 50_000),
    Task("decode", "J1: decode every field", "decode", "type", 50_000),
    Task("minutes", "J2: count and sum by minute and type", "minutes", "type", 50_000),
    Task("users", "J3: count and sum by minute and user, 50,000 users", "users", "user", 50_000),
    Task("many", "J3: the same, 1,000,000 users", "users", "user", 1_000_000),
)


def task(name: str) -> Task:
    """The task of that name."""
    return next(task for task in TASKS if task.name == name)


def spread(values: Iterable[float], digits: int | None = None) -> dict[str, float]:
    """Least, median and most, rounded: to whole numbers, or to so many digits."""
    found = sorted(values)
    return {
        "min": round(found[0], digits),
        "median": round(statistics.median(found), digits),
        "max": round(found[-1], digits),
    }


class Topics:
    """Fills topics as they are needed; a smaller one holds the first events of a larger one."""

    def __init__(self, bootstrap: str, console: Console) -> None:
        self.bootstrap = bootstrap
        self._console = console
        self._filled: dict[Topic, Filled] = {}

    def get(self, task: Task, events: int, partitions: int = PARTITIONS) -> Filled:
        """The topic of a task with so many events."""
        name = f"bench-{task.key}-{task.users}-{events}-{partitions}"
        topic = Topic(name, task.key, task.users, partitions)
        if topic not in self._filled:
            self._console.print(f"Filling {topic.name} …")
            self._filled[topic] = fill(self.bootstrap, topic, events)
        return self._filled[topic]


def measure(
    topics: Topics,
    task: Task,
    events: Callable[[Contestant], int],
    repeat: int,
    console: Console,
    field: Sequence[Contestant] = FIELD,
    timeout: float = 900,
) -> dict[str, list[Run]]:
    """Run the task ``repeat`` times with everybody who takes part in its job and can run here.

    Raises RuntimeError when an answer is wrong.
    """
    asked = [(player, _program(player, console)) for player in field if task.job in player.jobs]
    players = [(player, program) for player, program in asked if program is not None]
    runs: dict[str, list[Run]] = {player.name: [] for player, _ in players}
    for turn in range(repeat):
        for player, program in players if turn % 2 == 0 else reversed(players):
            filled = topics.get(task, events(player))
            result = one(player.name, program, topics.bootstrap, task, filled, timeout)
            runs[player.name].append(result)
            per_cpu = result["events"] / result["cpu_seconds"]
            console.print(f"  {task.name}, {player.name}: {per_cpu:,.0f} events per CPU-second")
    return runs


def _program(player: Contestant, console: Console) -> list[str] | None:
    """The contestant's command; None for one that can't be installed, which says why not."""
    try:
        return player.program()
    except ConfigError as error:
        console.print(f"  [yellow]{player.name} can't run here:[/] {error}")
        return None


def one(
    name: str, program: list[str], bootstrap: str, task: Task, filled: Filled, timeout: float
) -> Run:
    """One run of a contestant's program; raises RuntimeError when its answer is wrong."""
    command = [*program, task.job, bootstrap, filled.topic.name, str(filled.events)]
    result = result_of(name, command, timeout)
    right, answer = filled.truth.answer(task.job), result.pop("answer")
    if answer != right:
        raise RuntimeError(
            f"{name}: wrong answer to {task.name}: {_cut(answer)}, right is {_cut(right)}"
        )
    return result


def _cut(answer: Any) -> str:
    return str(answer)[:300]


def summarise(task: Task, runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """A row by contestant: least, median and most; ``ratio`` is Headrace's median to its own."""
    lines = {player.name: player.user_lines.get(task.job, 0) for player in FIELD}
    rows = []
    for name, results in runs.items():
        rows.append(
            {
                "name": name,
                "events": results[0]["events"],
                "per_cpu_second": spread(run["events"] / run["cpu_seconds"] for run in results),
                "per_second": round(
                    statistics.median(run["events"] / run["wall_seconds"] for run in results)
                ),
                "peak_rss_bytes": max(run["peak_rss_bytes"] for run in results),
                "user_lines": lines[name],
                "runs": list(results),
            }
        )
    ours = [row["per_cpu_second"]["median"] for row in rows if row["name"] == HEADRACE]
    for row in rows:
        row["ratio"] = round(ours[0] / row["per_cpu_second"]["median"], 3) if ours else None
    return rows


def show(task: Task, rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the table."""
    table = Table(title=task.title)
    heads = ("events", "per CPU-s: min", "median", "max", "Headrace ×", "events/s", "MiB", "lines")
    for head in ("", *heads):
        table.add_column(head, justify="right" if head else "left")
    for row in rows:
        cpu = row["per_cpu_second"]
        table.add_row(
            row["name"], f"{row['events']:,}",
            f"{cpu['min']:,}", f"{cpu['median']:,}", f"{cpu['max']:,}",
            "" if row["ratio"] is None else f"{row['ratio']:,.2f}",
            f"{row['per_second']:,}", f"{row['peak_rss_bytes'] / 2**20:,.0f}",
            str(row["user_lines"] or ""),
        )  # fmt: skip
    console.print(table)
