"""Paths of a schema's fields, into records, arrays and maps."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.schema.types import Array, Field, Map, Record, Type, Union


def paths(type_: Record) -> list[str]:
    """Every field and what is inside of it, as ``lines`` and ``lines.quantity``, outer first."""
    return list(fields(type_))


def fields(type_: Record) -> dict[str, Field]:
    """The same, with each field."""
    return dict(_inside(type_, "", ()))


def _inside(type_: Type, path: str, within: tuple[Record, ...]) -> Iterator[tuple[str, Field]]:
    match type_:
        case Record() if type_ not in within:
            for field in type_.fields:
                inner = f"{path}.{field.name}" if path else field.name
                yield inner, field
                yield from _inside(field.type, inner, (*within, type_))
        case Array():
            yield from _inside(type_.items, path, within)
        case Map():
            yield from _inside(type_.values, path, within)
        case Union() if len(type_.values) == 1:
            yield from _inside(type_.values[0], path, within)
