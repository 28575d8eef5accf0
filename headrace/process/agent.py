"""A process as a stateful agent: events of a frame in their order, each to its instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from headrace.frame import OFFSET, Frame
from headrace.process.engine import react
from headrace.process.event import Emitted, Event
from headrace.process.expand import MODULE, keyspace
from headrace.process.instance import Instance, decode, encode
from headrace.process.machine import Machine, compiled
from headrace.topology.model import Topology
from headrace.writes import Emit, State, Writes

StatefulFunction = Callable[[Frame, Mapping[str, bytes]], Writes]


def of(topology: Topology, name: str) -> StatefulFunction:
    """The agent's function of a declared process."""
    return agent_of(compiled(topology, name))


def agent_of(machine: Machine) -> StatefulFunction:
    """The agent's function, which depends on the frame and the states alone."""

    def run(frame: Frame, states: Mapping[str, bytes]) -> Writes:
        kept: dict[str, Instance | None] = {}
        emitted = Emitted()
        for event in events(machine, frame):
            if event.instance not in kept:
                held = states.get(event.instance)
                kept[event.instance] = None if held is None else decode(held)
            kept[event.instance] = react(machine, kept[event.instance], event, emitted)
        process = machine.process
        told = (
            Emit(process.commands_topic, emitted.commands),
            Emit(process.transitions_topic, emitted.transitions),
        )
        return Writes(
            events=tuple(emit for emit in told if emit.events),
            state=_state(machine, kept, states) if kept else (),
        )

    # What the topology names, so that ``headrace.testing`` knows it.
    run.__module__, run.__qualname__ = MODULE, machine.name
    return run


def _state(
    machine: Machine, kept: Mapping[str, Instance | None], states: Mapping[str, bytes]
) -> tuple[State]:
    there = {key: one for key, one in kept.items() if one is not None or key in states}
    return (
        State(
            keyspace(machine.name),
            {key: None if one is None else encode(one) for key, one in there.items()},
            {key: one.due for key, one in there.items() if one is not None and one.due is not None},
        ),
    )


def events(machine: Machine, frame: Frame) -> Iterator[Event]:
    """The rows as the engine sees them. Filters are decided by column, for all rows at once."""
    df, names, topics = frame.df, machine.names, machine.topics
    if df.is_empty():
        return
    kept_fields = dict.fromkeys(f for fields in machine.keeps.values() for f in fields)
    columns = {name: df[name].to_list() for name in kept_fields}
    filters = _filters(machine.filters, df)
    answers = df[names.answers].to_list() if names.answers in df.columns else [None] * len(df)
    rows = zip(
        df[topics.instance].to_list(),
        df[topics.id].to_list(),
        df[names.type].cast(pl.String).to_list(),
        df[names.time].dt.epoch("ms").to_list(),
        _arrivals(frame),
        answers,
        strict=True,
    )
    for row, (instance, id_, type_, at, arrived, answered) in enumerate(rows):
        yield Event(
            instance=instance,
            id=id_,
            type=type_,
            at=at,
            arrived=arrived,
            answers=answered,
            holds=frozenset(text for text, true in filters if true[row]),
            fields={name: plain(columns[name][row]) for name in machine.keeps.get(type_, ())},
        )


def _filters(texts: Sequence[str], df: pl.DataFrame) -> list[tuple[str, list[bool]]]:
    """Whether each expression holds, by row; one that can't be decided for null does not."""
    return [
        (text, df.select(pl.sql_expr(text).fill_null(value=False)).to_series().to_list())
        for text in texts
    ]


def _arrivals(frame: Frame) -> list[int]:
    """When each row's record came to Kafka."""
    block = frame.block
    places = np.searchsorted(block.offsets, frame.df[OFFSET].to_numpy())
    return block.timestamps[places].tolist()  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """A column's value as JSON keeps it and an encoder takes it."""
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat()
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case _:
            return value
