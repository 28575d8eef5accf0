"""Alerts on what no burn rate says in time: parts that are gone, stuck or about to be."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.monitoring.alert import Alert
from headrace.topology.levels import ServiceLevels
from headrace.topology.model import Topology

#: Names of the scrape jobs, see ``headrace.monitoring.scraping``.
WORKERS, SERVE, NODE = "headrace-workers", "headrace-serve", "node"
#: Alerted share of the dead-letter ceiling: past the ceiling the pipeline stops by itself.
NEAR = 0.5


def symptoms(topology: Topology, levels: ServiceLevels) -> Iterator[Alert]:
    """All of them; who is told is the owner of the levels."""
    yield from _gone(levels)
    yield from _reading(topology, levels)
    yield from _writing(topology, levels)
    yield from _resources(levels)


def _gone(levels: ServiceLevels) -> Iterator[Alert]:
    workers = f'up{{job="{WORKERS}"}}'
    yield Alert(
        name="HeadraceNoWorkers",
        expr=f"sum({workers}) == 0 or absent({workers})",
        lasting="1m",
        severity="page",
        owner=levels.owner,
        summary="No worker answers",
        description="None of the workers that Prometheus knows has answered for a minute.",
    )
    yield Alert(
        name="HeadraceWorkerGone",
        expr=f"{workers} == 0",
        lasting="5m",
        severity="ticket",
        owner=levels.owner,
        summary="Worker {{ $labels.instance }} does not answer",
        description="{{ $labels.instance }} has not answered for 5 minutes; others have its"
        " partitions, with less room for peaks.",
    )
    yield Alert(
        name="HeadraceServeGone",
        expr=f'up{{job="{SERVE}"}} == 0',
        lasting="1m",
        severity="page",
        owner=levels.owner,
        summary="The read API at {{ $labels.instance }} does not answer",
        description="{{ $labels.instance }} has not answered for a minute. Lag and business"
        " metrics come from it, too: their alerts are blind.",
    )
    yield Alert(
        name="HeadraceServiceDown",
        expr="min by (service) (headrace_service_up) == 0",
        lasting="1m",
        severity="page",
        owner=levels.owner,
        summary="{{ $labels.service }} does not serve",
        description="{{ $labels.service }} has not answered the read API for a minute.",
    )


def _reading(topology: Topology, levels: ServiceLevels) -> Iterator[Alert]:
    read = (topic for topic in topology.topics if topology.agents_of(topic))
    partitions = sum(topology.partitions(topic) for topic in read)
    yield Alert(
        name="HeadracePartitionsUnowned",
        expr=f"sum(headrace_assigned_partitions) < {partitions}",
        lasting="2m",
        severity="page",
        owner=levels.owner,
        summary="Partitions have no worker",
        description=f"Workers deliver {{{{ $value }}}} partitions, {partitions} are read:"
        " events of the others wait.",
    )
    yield Alert(
        name="HeadracePartitionStalled",
        expr=(
            "max by (topic, partition) (min_over_time(headrace_lag[5m])) > 0\n"
            "and max by (topic, partition) (changes(headrace_committed_offset[5m])) == 0"
        ),
        lasting="2m",
        severity="page",
        owner=levels.owner,
        summary="Partition {{ $labels.partition }} of {{ $labels.topic }} does not move",
        description="{{ $value }} records wait in partition {{ $labels.partition }} of"
        " {{ $labels.topic }}, and nothing was committed for 5 minutes: its worker is stuck, or a"
        " sink refuses its block.",
    )
    yield Alert(
        name="HeadraceRebalancing",
        expr="max(increase(headrace_rebalances_total[15m])) > 5",
        lasting="5m",
        severity="ticket",
        owner=levels.owner,
        summary="The group of workers does not settle",
        description="{{ $value | humanize }} assignments of partitions in 15 minutes; a deployment"
        " of all workers makes one or two each.",
    )
    yield Alert(
        name="HeadraceInDoubtReplays",
        expr=f"sum(increase(headrace_indoubt_replays_total[15m])) > {3 * partitions}",
        severity="ticket",
        owner=levels.owner,
        summary="Blocks are cut short and repeated over and over",
        description="{{ $value | humanize }} blocks in doubt were repeated in 15 minutes; a crash"
        f" of all workers repeats one a partition, {partitions} at most.",
    )


def _writing(topology: Topology, levels: ServiceLevels) -> Iterator[Alert]:
    letters = topology.dead_letters
    yield Alert(
        name="HeadraceSinkRetries",
        expr="sum by (sink) (increase(headrace_sink_retries_total[5m])) > 10",
        lasting="5m",
        severity="ticket",
        owner=levels.owner,
        summary="{{ $labels.sink }} refuses writes for now",
        description="{{ $value | humanize }} writes to {{ $labels.sink }} failed for now in 5"
        " minutes and were tried again. Nothing is lost, the lag grows.",
    )
    yield Alert(
        name="HeadraceDeadLettersNearCeiling",
        expr=f"headrace_dead_letter_ratio > {NEAR * letters.max_ratio:g}",
        severity="page",
        owner=levels.owner,
        summary="{{ $labels.instance }} sets so many records aside that it may stop",
        description="{{ $value | humanizePercentage }} of the last records of"
        " {{ $labels.instance }} went to the dead letters; it stops past"
        f" {letters.max_ratio:.0%} (dead_letters.max_ratio).",
    )


def _resources(levels: ServiceLevels) -> Iterator[Alert]:
    room = "node_filesystem_avail_bytes"
    yield Alert(
        name="HeadraceMemoryHigh",
        expr=f"headrace_resident_memory_bytes > {levels.worker_memory_bytes}",
        lasting="10m",
        severity="ticket",
        owner=levels.owner,
        summary="{{ $labels.instance }} uses more memory than planned",
        description="{{ $value | humanize1024 }}B in {{ $labels.instance }} for 10 minutes;"
        f" service_levels.worker_memory_bytes is {levels.worker_memory_bytes}.",
    )
    yield Alert(
        name="HeadraceDiskFilling",
        expr=(
            f'{room}{{job="{NODE}"}} / node_filesystem_size_bytes{{job="{NODE}"}} < 0.25\n'
            f'and predict_linear({room}{{job="{NODE}"}}[6h], 24 * 3600) < 0'
        ),
        lasting="30m",
        severity="ticket",
        owner=levels.owner,
        summary="{{ $labels.mountpoint }} on {{ $labels.instance }} will be full within a day",
        description="{{ $value | humanizePercentage }} of {{ $labels.mountpoint }} on"
        " {{ $labels.instance }} is free, and at the pace of the last 6 hours it lasts less than a"
        " day.",
    )
