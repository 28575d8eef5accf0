"""A session as the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from headrace.topology.sessions import Aggregate, Sessions
from headrace.windows import ids
from headrace.windows.blocks import Key
from headrace.windows.intervals import Change, Session, Value
from headrace.windows.plain import decimal_text


class Told:
    """Makes events of changes; ``schema`` has the types of the source's fields."""

    def __init__(self, name: str, declared: Sessions, schema: Mapping[str, pl.DataType]) -> None:
        self._name = name
        self._keys = declared.key
        self._shown = [
            (field_name, _shown(field, schema)) for field_name, field in declared.fields.items()
        ]

    def change(self, key: Key, change: Change) -> dict[str, Any]:
        """The event of a change; its session is named by its key and its start."""
        session_id = ids.of(self._name, key, change.session.start)
        return self._event(session_id, key, change.session, change.version, change.retracted)

    def late(self, key: Key, session: Session) -> dict[str, Any]:
        """The event of one that came too late: a session for good, named by its offset, too."""
        session_id = ids.of(self._name, key, session.start, session.version)
        return self._event(session_id, key, session, session.version, False, late=True)

    def _event(
        self,
        session_id: str,
        key: Key,
        session: Session,
        version: int,
        retracted: bool,
        late: bool = False,
    ) -> dict[str, Any]:
        sign = "-" if retracted else "+"
        return {
            "event_id": f"{session_id}{sign}{version}",
            "session_id": session_id,
            "version": version,
            "retracted": retracted,
            "late": late,
            **dict(zip(self._keys, key, strict=True)),
            "started_at": session.start,
            "ended_at": session.end,
            "length_ms": session.end - session.start,
            "events": session.events,
            **{
                name: show(value)
                for (name, show), value in zip(self._shown, session.values, strict=True)
            },
        }


def _shown(field: Aggregate, schema: Mapping[str, pl.DataType]) -> Callable[[Value], Any]:
    if field.form in ("first", "last"):
        return _placed
    dtype = None if field.source is None else schema[field.source]
    if not isinstance(dtype, pl.Decimal):
        return lambda value: value or 0 if field.form == "sum" else value
    scale = dtype.scale
    empty = decimal_text(0, scale) if field.form == "sum" else None
    return lambda value: empty if value is None else decimal_text(value, scale)


def _placed(value: Value) -> Any:
    return None if value is None else value[2]
