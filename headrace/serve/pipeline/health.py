"""What is wrong with a pipeline, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headrace.serve.pipeline.model import Pipeline, Problem
from headrace.topology.model import Topology
from headrace.worker_state import WorkerState

#: From this part of the ceiling on, dead letters are a problem: there is time to look.
NEAR = 0.5
#: A service may fail for so long: an operator can do nothing in less.
PATIENCE_MS = 3_000
SILENT_MS = 4_000


def problems(
    topology: Topology, now: Pipeline, states: Sequence[WorkerState], now_ms: int
) -> list[Problem]:
    """Everything that is wrong, the causes before what follows from them."""
    return [
        *_services(now),
        *_workers(now, states, now_ms),
        *_dead_letters(topology, now),
        *_standing(topology, now),
    ]


def _services(now: Pipeline) -> Iterator[Problem]:
    for name, service in now.services.items():
        if not service.up:
            yield Problem(
                what=f"{name} does not answer",
                why=service.why or "",
                to_do=f"start {name} ('headrace up' for the local one); nothing is lost meanwhile, "
                "workers go on where they were",
            )


def _workers(now: Pipeline, states: Iterable[WorkerState], now_ms: int) -> Iterator[Problem]:
    if not now.services["redis"].up:
        return  # nobody can tell
    if not now.workers:
        yield Problem(
            what="no worker runs",
            why="none has told its state in the last 10 s",
            to_do="start them: headrace run --workers N",
        )
    for worker in now.workers:
        if worker.told_ms_ago > SILENT_MS:
            yield Problem(
                what=f"worker {worker.id} is silent",
                why=f"it told its state {worker.told_ms_ago / 1000:.0f} s ago and no more",
                to_do="'headrace run' starts a killed worker again; look into its log",
            )
    for state in states:
        for service, since in state["numbers"]["failing"].items():
            if now_ms - since > PATIENCE_MS and now.services[service].up:
                yield Problem(
                    what=f"worker {state['id']} can't write to {service}",
                    why=f"each attempt of the last {(now_ms - since) / 1000:.0f} s failed, though "
                    f"{service} answers here",
                    to_do="its log has the error of each attempt; check address, user and network "
                    "of the worker",
                )


def _dead_letters(topology: Topology, now: Pipeline) -> Iterator[Problem]:
    ratio, ceiling = now.dead_letter_ratio, topology.dead_letters.max_ratio
    if ratio > ceiling * NEAR:
        yield Problem(
            what=f"{ratio:.1%} of the last records went to the dead letters",
            why=f"at {ceiling:.1%} (dead_letters.max_ratio) the workers stop",
            to_do="look at the reasons with 'headrace dlq list', fix the producer or the agent",
        )


def _standing(topology: Topology, now: Pipeline) -> Iterator[Problem]:
    """Partitions that nobody delivers, where no cause was found above."""
    if not (now.workers and all(service.up for service in now.services.values())):
        return
    assigned = sum(worker.assigned for worker in now.workers)
    read = {topic for agent in topology.agents.values() for topic in agent.reads}
    partitions = sum(topology.partitions(topic) for topic in read)
    if assigned < partitions:
        yield Problem(
            what=f"{partitions - assigned} of {partitions} partitions are delivered by nobody",
            why="the group is being rebalanced, or a worker was killed and its session has not "
            "ended yet",
            to_do="wait delivery.session_timeout_ms; if it stays, look into the workers' logs",
        )
