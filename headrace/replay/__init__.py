"""Replay: a new version of a ClickHouse view built from the log beside the one that readers see.

``run.Replay`` goes through the phases, ``cut`` divides log and live rows, ``reading`` makes of the
log what agents made of it, ``copying`` does so in parallel. What ClickHouse does is in
``sinks.clickhouse.building``. docs/replay.md says what is guaranteed and why.
"""
