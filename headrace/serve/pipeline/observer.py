"""The pipeline's state, put together from what the services say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.block import TopicPartition
from headrace.lag import Lag
from headrace.metrics import Histogram
from headrace.serve.pipeline import model
from headrace.serve.pipeline.health import problems
from headrace.serve.pipeline.poll import Seen
from headrace.serve.pipeline.sources import Lags
from headrace.serve.pipeline.window import Window
from headrace.topology.model import Topology
from headrace.worker_state import WorkerState

#: A worker that has not told for so long does nothing now.
SILENT_MS = 3_000
ERRORS = 10
SINKS = ("clickhouse", "redis")


class Observer:
    """Keeps the windows that rates come from; everything else is in what is passed in."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._log: Window[tuple[str, TopicPartition]] = Window()
        self._workers: dict[str, Window[tuple[str, str]]] = {}

    def picture(
        self,
        kafka: Seen[Lags],
        redis: Seen[list[WorkerState]],
        clickhouse: Seen[None],
        now_ms: int,
        now_s: float,
    ) -> model.Pipeline:
        """The state now."""
        seen: dict[str, Seen[Any]] = {"kafka": kafka, "redis": redis, "clickhouse": clickhouse}
        services = {
            name: model.Service(
                up=(why := one.failing(now_s)) is None,
                age_ms=None if (age := one.age_s(now_s)) is None else round(age * 1000),
                why=why,
            )
            for name, one in seen.items()
        }
        lags = kafka.value or {}
        if kafka.at_s is not None:
            self._log.add(kafka.at_s, dict(_positions(lags)))
        states = [state for state in redis.value or [] if not state["stopped"]]
        rates = self._rates(states, now_ms)
        topics = self._topics(lags)
        pipeline = model.Pipeline(
            at=now_ms,
            services=services,
            workers=[_worker(state, now_ms) for state in states],
            topics=topics,
            agents=self._agents(topics, rates, states),
            sinks={sink: _sink(sink, rates, states) for sink in SINKS},
            tables={
                name: model.Table(rows_per_s=round(rates["rows", name], 1))
                for name in self._topology.clickhouse.tables
            },
            dead_letters=[
                model.Letters(topic=topic, step=step, reason=reason, count=count)
                for (topic, step, reason), count in _summed(states, "dead_letters", 3)
            ],
            dead_letter_ratio=max((s["numbers"]["dead_letter_ratio"] for s in states), default=0.0),
            rules=[
                model.RuleCount(topic=topic, rule=rule, count=count)
                for (topic, rule), count in _summed(states, "rules", 2)
            ],
            health=model.Health(ok=True, problems=[]),
        )
        found = problems(self._topology, pipeline, states, now_ms)
        return pipeline.model_copy(update={"health": model.Health(ok=not found, problems=found)})

    def _rates(self, states: Iterable[WorkerState], now_ms: int) -> Counter[tuple[str, str]]:
        """By (counter, key), all workers together."""
        told = {state["id"]: state for state in states}
        for gone in self._workers.keys() - told.keys():
            del self._workers[gone]
        total: Counter[tuple[str, str]] = Counter()
        for name, state in told.items():
            window = self._workers.setdefault(name, Window())
            window.add(state["at"] / 1000, dict(_counts(state)))
            if now_ms - state["at"] < SILENT_MS:
                total.update(window.rates())
        return total

    def _topics(self, lags: Lags) -> dict[str, model.Topic]:
        rates = self._log.rates()
        found = {}
        for name in self._topology.topics:
            mine = {tp: lag for tp, lag in lags.items() if tp.topic == name}
            found[name] = model.Topic(
                in_per_s=round(sum(rates.get(("end", tp), 0.0) for tp in mine), 1),
                out_per_s=round(sum(rates.get(("committed", tp), 0.0) for tp in mine), 1),
                lag=sum(lag.behind for lag in mine.values()),
                partitions=[_partition(tp, lag) for tp, lag in sorted(mine.items())],
            )
        return found

    def _agents(
        self,
        topics: Mapping[str, model.Topic],
        rates: Counter[tuple[str, str]],
        states: Iterable[WorkerState],
    ) -> dict[str, model.Agent]:
        errors: list[dict[str, Any]] = sorted(
            (
                error
                for state in states
                for kept in state["numbers"]["last_errors"].values()
                for error in kept
            ),
            key=lambda error: -error["at"],
        )
        return {
            name: model.Agent(
                events_per_s=round(sum(rates["events", topic] for topic in agent.reads), 1),
                lag=sum(topics[topic].lag for topic in agent.reads),
                reads=list(agent.reads),
                writes=agent.targets,
                last_errors=[
                    model.LastError.model_validate(error)
                    for error in errors
                    if error["topic"] in agent.reads and error["agent"] in ("", name)
                ][:ERRORS],
            )
            for name, agent in self._topology.agents.items()
        }


def _positions(lags: Lags) -> Iterator[tuple[tuple[str, TopicPartition], float]]:
    for tp, lag in lags.items():
        yield ("end", tp), lag.end
        yield ("committed", tp), lag.end - lag.behind


def _partition(tp: TopicPartition, lag: Lag) -> model.Partition:
    return model.Partition(
        partition=tp.partition, end=lag.end, committed=lag.committed, lag=lag.behind
    )


def _counts(state: WorkerState) -> Iterator[tuple[tuple[str, str], float]]:
    for counter in ("events", "rows", "sink_seconds"):
        for key, count in state["numbers"][counter].items():
            yield (counter, key), count


def _summed(
    states: Iterable[WorkerState], counter: str, labels: int
) -> list[tuple[tuple[str, ...], int]]:
    """A counter of all workers by its labels, the largest first."""
    total: Counter[str] = Counter()
    for state in states:
        total.update(state["numbers"][counter])
    return [(tuple(key.split(" ", labels - 1)), count) for key, count in total.most_common()]


def _sink(sink: str, rates: Counter[tuple[str, str]], states: Iterable[WorkerState]) -> model.Sink:
    recent, retries = Histogram(), 0
    for state in states:
        numbers = state["numbers"]
        retries += numbers["sink_retries"].get(sink, 0)
        if sink in numbers["recent"]:
            recent.counts += Histogram(numbers["recent"][sink]).counts
    rows = sum(rate for (counter, _), rate in rates.items() if counter == "rows")
    return model.Sink(
        freshness_ms=model.Freshness.model_validate(recent.quantiles()),
        seconds_per_s=round(rates["sink_seconds", sink], 3),
        retries=retries,
        rows_per_s=round(rows, 1) if sink == "clickhouse" else None,
    )


def _worker(state: WorkerState, now_ms: int) -> model.Worker:
    numbers = state["numbers"]
    return model.Worker(
        id=state["id"],
        rss_bytes=numbers["rss_bytes"],
        cpu_seconds=round(numbers["cpu_seconds"], 2),
        uptime_s=round(numbers["uptime_s"], 1),
        assigned=numbers["assigned"],
        paused=numbers["paused"],
        told_ms_ago=max(0, now_ms - state["at"]),
    )
