"""Agents: pure functions from a Frame to Writes, found by the names the topology gives."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from headrace.declared import agents as declared
from headrace.errors import ConfigError, Terminal
from headrace.frame import OFFSET, Bad, Frame
from headrace.topology.model import Topology
from headrace.writes import Writes

AgentFunction = Callable[[Frame], Writes]


def resolve(reference: str) -> AgentFunction:
    """Import ``module:function``; raise ConfigError saying what is missing."""
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"agent {reference!r}: can't import {module_name!r}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"agent {reference!r}: {module_name!r} has no function {name!r}")
    return function  # type: ignore[no-any-return]


def functions(topology: Topology) -> dict[str, AgentFunction]:
    """All agents' functions by name, each checked to write only what it declares."""
    return {name: _bounded(name, function(topology, name), topology) for name in topology.agents}


def function(topology: Topology, name: str) -> AgentFunction:
    """An agent's function: what it names, or what is declared under its name."""
    if name in topology.declared:
        return declared.of(topology, name)
    return resolve(topology.agents[name].function)


def _bounded(name: str, function: AgentFunction, topology: Topology) -> AgentFunction:
    allowed = topology.agents[name].writes
    topics = {table: declared.topic for table, declared in topology.clickhouse.tables.items()}

    def run(frame: Frame) -> Writes:
        writes = function(frame)
        undeclared = {rows.table for rows in writes.rows} - set(allowed.tables)
        undeclared |= {op.keyspace for op in writes.redis} - set(allowed.keyspaces)
        if undeclared:
            raise ConfigError(
                f"topology.yaml: agents.{name}.writes: the agent wrote to {sorted(undeclared)}, "
                f"which it does not declare; add them to its tables or keyspaces"
            )
        topic = frame.block.topic
        foreign = {rows.table for rows in writes.rows if topics[rows.table] != topic}
        if foreign:
            raise ConfigError(
                f"topology.yaml: agents.{name}.writes: the agent wrote rows of topic {topic!r} to "
                f"{sorted(foreign)}, which holds another topic's (clickhouse.tables.*.topic); a "
                f"view can join them"
            )
        return writes

    return run


def poison(name: str, function: AgentFunction, frame: Frame) -> tuple[list[Bad], Frame]:
    """Find the records that make an agent raise; return them and the frame without them.

    Halves the frame until single records remain: O(p log n) calls for p poison records of n. A
    failure that only several records together cause dead-letters all records of the smallest
    frame that still fails.
    """
    bad: list[Bad] = []
    kept: list[pl.DataFrame] = []
    index = {int(offset): i for i, offset in enumerate(frame.block.offsets)}

    def visit(df: pl.DataFrame) -> None:
        try:
            function(Frame(frame.block, df))
        except Exception as error:
            if df.height == 0:
                raise Terminal(f"agent {name!r} raised on an empty frame: {error!r}") from error
            if df.height > 1:
                half = df.height // 2
                before = len(bad)
                visit(df[:half])
                visit(df[half:])
                if len(bad) > before:
                    return
                del kept[-2:]
            kind = type(error).__name__
            reason = f"agent {name!r} raised {kind}: {error}"
            bad.extend(
                Bad(index[o], "agent", reason, error=kind, agent=name) for o in df[OFFSET].to_list()
            )
        else:
            kept.append(df)

    visit(frame.df)
    rest = pl.concat(kept) if kept else frame.df.clear()
    order = np.argsort(rest[OFFSET].to_numpy(), kind="stable")
    return bad, replace(frame, df=rest[order])
