"""Debezium's change events to the events that they mean, as the topology declares it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from headrace.client.events import Event, object_of
from headrace.client.translation import Translation, at
from headrace.errors import Terminal
from headrace.schema.types import Record
from headrace.topology.sync import Changes, Happening

#: Debezium's codes of what happened to a row.
OPERATIONS: Final = {"r": "snapshot", "c": "insert", "u": "update", "d": "delete"}


class Meaning:
    """What changes of one table mean. A pure function of each change.

    The same change always makes the same events with the same ids, however often it is told. What
    an id is made of is declared; else it is the change's place in the database's log or, of a
    snapshot's row, which has none, the event itself.
    """

    def __init__(self, declared: Changes, id_field: str, schema: Record) -> None:
        self._id = id_field
        self._happenings = [(h, Translation(h.sources, schema)) for h in declared.events]

    def events(self, key: bytes, value: bytes) -> list[Event]:
        """The events of one record; raises Terminal for what is no change event.

        A record's value has Debezium's envelope without a schema, its key the row's key.
        """
        change = _change(value)
        operation = OPERATIONS[change["op"]]
        found = []
        for number, (happening, translation) in enumerate(self._happenings):
            if operation in happening.when and _fits(happening, operation, change):
                event = translation.event(change)
                found.append({self._id: _id(key, number, _same(happening, change, event)), **event})
        return found


def _change(value: bytes) -> Mapping[str, Any]:
    try:
        change = object_of(orjson.loads(value))
    except orjson.JSONDecodeError as error:
        raise Terminal(f"not JSON: {error}") from None
    if change.get("op") not in OPERATIONS or not isinstance(change.get("source"), dict):
        raise Terminal(
            "not a change of a row as Debezium tells it: the connector needs Kafka's JsonConverter "
            "with schemas.enable=false, and no transform that unwraps records"
        )
    return change


def _fits(happening: Happening, operation: str, change: Mapping[str, Any]) -> bool:
    for path, wanted in happening.where.items():
        found = at(change, path)
        if found not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            return False
    if operation != "update" or not happening.changed:
        return True
    before, after = change.get("before"), change["after"]
    if before is None:
        raise Terminal(
            "an update that does not say what was before: ALTER TABLE … REPLICA IDENTITY FULL"
        )
    return any(before.get(column) != after.get(column) for column in happening.changed)


def _same(happening: Happening, change: Mapping[str, Any], event: Event) -> Any:
    """What is equal for two tellings of one event, and for no other event of the row."""
    if happening.id:
        return [at(change, path) for path in happening.id]
    return event if OPERATIONS[change["op"]] == "snapshot" else _lsn(change)


def _lsn(change: Mapping[str, Any]) -> int:
    lsn = change["source"].get("lsn")
    if not isinstance(lsn, int):
        raise Terminal("a change without a place in the database's log (source.lsn)")
    return lsn


def _id(key: bytes, number: int, place: Any) -> str:
    """One record of the log may have several rows, so the row's key counts, too."""
    said = orjson.dumps([key.hex(), number, place], option=orjson.OPT_SORT_KEYS)
    return blake2b(said, digest_size=16).hexdigest()
