"""The path of one event, put together from the log, the tables and what the agents make of it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from headrace import agent as agents
from headrace import headers as names
from headrace.dlq.letter import Letter, headers_of
from headrace.dlq.place import Place
from headrace.endpoints import Endpoints
from headrace.errors import HeadraceError
from headrace.lag import Lag
from headrace.private.fields import PrivateFields
from headrace.rules.checked import decoder
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.serve.tracing.answer import Bucket, DeadLetter, Moment, Range, Status, Trace
from headrace.serve.tracing.effects import Effects, effects
from headrace.serve.tracing.log import MOST, EventLog
from headrace.serve.tracing.tables import Part, Tables
from headrace.telemetry.events import TRACEPARENT, parse
from headrace.topology.model import Topology

#: The field with an event's id, where ``dedupe`` does not name one.
EVENT_ID: Final = "event_id"


class NotFound(HeadraceError):
    """No event with this id, where it was looked for; the text says where."""


class EventPaths:
    """Finds events of a project by their id. One trace at a time."""

    def __init__(self, root: Path, topology: Topology, endpoints: Endpoints) -> None:
        """Connects when it is asked. Raises ConfigError."""
        self._topology = topology
        self._endpoints = endpoints
        self._registry = registry_of(root, topology)
        self._agents = agents.functions(topology)

    def trace(self, event_id: str, topic: str | None = None) -> Trace:
        """The path of the event with this id, in ``topic`` if it is given.

        Tables are asked first: they hold what was written, however long ago. Then the last records
        of the log are searched. Raises NotFound, ConfigError for an unknown topic, Transient.
        """
        topics = self._ids(topic)
        with closing(Tables(self._endpoints.clickhouse, self._topology)) as tables:
            for name, field in topics.items():
                for table in self._tables(name):
                    places = tables.places(table, field, event_id)
                    if places:
                        return self._path(event_id, name, places, tables)
            for name in topics:
                with closing(self._log(name, topics[name])) as log:
                    place = log.find(event_id)
                if place is not None:
                    return self._path(event_id, name, [place], tables, written=False)
        raise NotFound(
            f"no event {event_id!r} in the tables of {', '.join(topics)}, nor among the last "
            f"{MOST:,} records of each topic"
        )

    def _ids(self, topic: str | None) -> dict[str, str]:
        """Topics to look in, and the field that has their events' ids."""
        if topic is not None:
            self._topology.topic(topic)
        found = {}
        for name, declared in self._topology.topics.items():
            field = declared.dedupe.key if declared.dedupe else EVENT_ID
            fields = {f.name for f in self._registry.latest(declared.schema_).type.fields}
            if topic in (None, name) and field in fields:
                found[name] = field
        if not found:
            where = "no topic's events" if topic is None else f"no events of topic {topic!r}"
            raise NotFound(f"{where} have an id: a field {EVENT_ID!r}, or the key of dedupe")
        return found

    def _tables(self, topic: str) -> list[str]:
        tables = self._topology.clickhouse.tables
        return [name for name, table in tables.items() if table.topic == topic]

    def _log(self, topic: str, field: str) -> EventLog:
        codec = Codec(self._registry, self._topology.topics[topic].schema_, [field])
        return EventLog(self._topology, topic, field, codec, self._endpoints.kafka)

    def _path(
        self, event_id: str, topic: str, places: list[Place], tables: Tables, written: bool = True
    ) -> Trace:
        place, declared = places[0], self._topology.topics[topic]
        with ExitStack() as stack:
            log = stack.enter_context(closing(self._log(topic, self._ids(topic)[topic])))
            message = log.record(place)
            repeats = []
            if declared.dedupe and written:
                repeats = log.repeats(event_id, place, declared.dedupe.window)
            lag = log.workers(place)
            carried = {} if message is None else names.texts(headers_of(message))
            letter = None if written else log.letter(place)
        made = None
        if message is not None:
            encoder = Encoder(self._registry, declared.schema_)
            made = effects(
                self._topology,
                self._agents,
                decoder(self._registry, declared.schema_, declared.rules),
                PrivateFields.of(self._topology, topic, encoder.schema),
                encoder,
                message,
            )
        part, buckets = self._stored(topic, place, tables) if written else (None, [])
        status = _status(written, place, lag, letter)
        at = None if message is None else int(message.timestamp()[1])
        context = parse(carried.get(TRACEPARENT, "").encode())
        return Trace(
            event_id=event_id,
            topic=topic,
            partition=place.partition,
            offset=place.offset,
            status=status,
            summary=_summary(status, place, lag, letter, made, carried),
            produced_at=at,
            block=_block(part),
            rows=made.rows if made and status is not Status.SET_ASIDE else [],
            buckets=buckets,
            keys=made.keys if made and status is not Status.SET_ASIDE else [],
            times=_times(made, at, letter, part),
            dead_letter=_dead_letter(letter, made),
            repeats=repeats,
            also=[str(other) for other in places[1:]],
            trace_id=None if context is None else f"{context.trace_id:032x}",
            sample=made.event if made else None,
        )

    def _stored(self, topic: str, place: Place, tables: Tables) -> tuple[Part | None, list[Bucket]]:
        part, buckets = None, []
        for table in self._tables(topic):
            part = part or tables.part(table, place)
            buckets += [Bucket(view=view, key=key) for view, key in tables.buckets(table, place)]
        return part, buckets


def _status(written: bool, place: Place, lag: Lag, letter: Letter | None) -> Status:
    if written:
        return Status.WRITTEN
    if letter is not None:
        return Status.SET_ASIDE
    waiting = lag.committed is None or place.offset >= lag.committed
    return Status.WAITING if waiting else Status.NOT_IN_A_TABLE


def _summary(
    status: Status,
    place: Place,
    lag: Lag,
    letter: Letter | None,
    made: Effects | None,
    carried: dict[str, str],
) -> str:
    match status:
        case Status.WRITTEN:
            said = "Written to ClickHouse."
            if names.REDRIVEN in carried:
                said += f" Sent back from the dead letters, where it is {carried[names.REDRIVEN]}."
            if made is None:
                said += " The log has its record no more: what it became can't be computed again."
        case Status.SET_ASIDE:
            back = letter is not None and letter.redriven
            said = "Set aside as a dead letter" + (", and sent back." if back else ".")
        case Status.WAITING:
            behind = place.offset - max(lag.begin, lag.committed or 0)
            said = (
                f"Not written yet: the workers have committed partition {place.partition} up to "
                f"offset {lag.committed or lag.begin}, {behind:,} records before it."
            )
        case Status.NOT_IN_A_TABLE:
            said = (
                "Delivered, and in no table: no agent writes a row of it, it repeats an event from "
                "before the dedupe window's search, or its row was removed since."
            )
    return said


def _block(part: Part | None) -> Range | None:
    """A block's range is kept nowhere, but a part that was not merged is one block's rows."""
    if part is None:
        return None
    source = f"offsets in part {part.name}, which is as one INSERT made it"
    return Range(first=part.first, last=part.last, source=source)


def _times(
    made: Effects | None, at: int | None, letter: Letter | None, part: Part | None
) -> list[Moment]:
    steps = {
        "happened": made.happened_ms if made else None,
        "produced": at,
        "set aside": letter.first_ms if letter else None,
        "in ClickHouse": part.at_ms if part else None,
    }
    return [Moment(step=step, at=ms) for step, ms in steps.items() if ms is not None]


def _dead_letter(letter: Letter | None, made: Effects | None) -> DeadLetter | None:
    if letter is None:
        return None
    return DeadLetter(
        place=str(letter.place),
        step=letter.step,
        reason=made.hide(letter.reason) if made else letter.reason,
        attempts=letter.attempts,
        redriven=letter.redriven,
    )
