"""A session as the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from headrace.topology.sessions import Aggregate, Sessions
from headrace.windows import ids
from headrace.windows.blocks import Key
from headrace.windows.fields import SESSION
from headrace.windows.intervals import Change, Session, Value
from headrace.windows.plain import decimal_text


class Told:
    """Makes events of changes; ``schema`` has the types of the source's fields."""

    def __init__(self, name: str, declared: Sessions, schema: Mapping[str, pl.DataType]) -> None:
        self._name = name
        self._names = (*SESSION, *declared.key, *declared.fields)
        self._shown = [_shown(field, schema) for field in declared.fields.values()]

    def change(self, key: Key, change: Change) -> dict[str, Any]:
        """The event of a change; a session is named by its key and its start."""
        session_id = ids.of(self._name, key, change.start)
        session = change.session._replace(start=change.start)
        return self._event(session_id, key, session, retracted=change.retracted)

    def late(self, key: Key, session: Session) -> dict[str, Any]:
        """The event of one that came too late: a session for good, named by its offset, too."""
        session_id = ids.of(self._name, key, session.start, session.version)
        return self._event(session_id, key, session, late=True)

    def _event(
        self,
        session_id: str,
        key: Key,
        session: Session,
        *,
        retracted: bool = False,
        late: bool = False,
    ) -> dict[str, Any]:
        start, end, count, version, values = session
        fixed = (
            f"{session_id}{'-' if retracted else '+'}{version}",
            session_id,
            version,
            retracted,
            late,
            start,
            end,
            end - start,
            count,
        )
        shown = [show(value) for show, value in zip(self._shown, values, strict=True)]
        return dict(zip(self._names, (*fixed, *key, *shown), strict=True))


def _shown(field: Aggregate, schema: Mapping[str, pl.DataType]) -> Callable[[Value], Any]:
    if field.form in ("first", "last"):
        return lambda value: None if value is None else value[2]
    dtype = None if field.source is None else schema[field.source]
    if not isinstance(dtype, pl.Decimal):
        return lambda value: value
    scale = dtype.scale
    return lambda value: None if value is None else decimal_text(value, scale)
