"""The proof: the ledger, the log and the sinks must tell the same story."""

from __future__ import annotations

from pathlib import Path

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError
from headrace.lag import Lag, LagReader
from headrace.security import grants
from headrace.topology.model import Topology
from loadgen.verify import ledger as ledgers
from loadgen.verify.compare import Difference, Section, compare
from loadgen.verify.held import held
from loadgen.verify.recount import letters, recount
from loadgen.verify.report import Report
from loadgen.verify.sections import state_of

__all__ = ["Report", "lags", "verify"]

EXAMPLES = 5


def lags(endpoints: Endpoints, topology: Topology, suffix: str = "") -> dict[TopicPartition, Lag]:
    """The group's lag in all declared topics (or, by ``suffix``, their dead-letter topics)."""
    partitions = [
        TopicPartition(topic + suffix, p)
        for topic in topology.topics
        for p in range(topology.partitions(topic))
    ]
    with LagReader(endpoints.kafka, topology.name, partitions) as reader:
        return reader.read()


def verify(
    root: Path,
    endpoints: Endpoints,
    topology: Topology,
    ledger: Path | None,
    recount_log: bool = True,
    examples: int = EXAMPLES,
) -> Report:
    """Compare the ledger and the recounted log with the sinks, and with each other.

    The pipeline must have drained: what is not applied yet counts as missing.
    """
    if ledger is None and not recount_log:
        raise ConfigError("nothing to compare with: name a --ledger, or let the log be recounted")
    grants.check(endpoints.kafka, grants.reader(topology))
    in_sinks, misplaced = held(endpoints, topology)
    sections = [_placement(misplaced, examples)]
    notes: dict[str, int] = {}
    sent = None
    if ledger is not None:
        sent, _ = ledgers.load(ledger, topology)
        sections += compare("ledger = sinks", sent, in_sinks, topology, examples)
    if recount_log:
        aside, ruled_out = letters(
            endpoints.kafka, topology, lags(endpoints, topology, topology.dead_letters.suffix)
        )
        truth = recount(root, endpoints.kafka, topology, lags(endpoints, topology), ruled_out)
        logged = state_of(truth, topology)
        sections += compare("log = sinks", logged, in_sinks, topology, examples)
        if sent is not None:
            sections += compare("ledger = log", sent, logged, topology, examples)
        sections += [_letters(topic, truth.bad[topic], aside[topic]) for topic in topology.topics]
        notes = {
            "events_in_the_log": truth.events,
            "bad_records_in_the_log": sum(map(len, truth.bad.values())),
            "ruled_out_in_the_log": truth.ruled_out,
            "tombstones_in_the_log": truth.tombstones,
            "duplicates_in_the_log": truth.repeats,
        }
    return Report(sections, notes)


def _placement(misplaced: list[str], examples: int) -> Section:
    shown = [
        Difference("redis.placement", text, "partition", "murmur2 of the id", "another")
        for text in misplaced[:examples]
    ]
    return Section("placement", "redis.placement", len(misplaced), len(misplaced), shown)


def _letters(topic: str, bad: set[tuple[int, int]], aside: set[tuple[int, int]]) -> Section:
    """Every bad record must be a dead letter; an agent may have set aside more."""
    lost = bad - aside
    shown = [
        Difference(f"dead letters of {topic}", f"{p}@{o}", "letter", "there", None)
        for p, o in sorted(lost)[:EXAMPLES]
    ]
    return Section("log = dead letters", f"dead letters of {topic}", len(bad), len(lost), shown)
