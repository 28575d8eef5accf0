"""Which rows a request may and wants to see, from its parameters and its caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headrace.serve.auth import Caller
from headrace.serve.problems import Problem
from headrace.topology.metrics import Cohorts, Funnel, Metric

MAX_VALUE = 256


def dimensions(text: str | None, declared: Sequence[str]) -> tuple[str, ...]:
    """The dimensions of ``by=region,currency``; raises Problem for one that is not declared."""
    if not text:
        return ()
    found = tuple(dict.fromkeys(text.split(",")))
    for name in found:
        _known(name, declared, "by")
    return found


def filters(texts: Iterable[str], declared: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The conditions of ``where=region:apac``, in one order; raises Problem."""
    found = set()
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            detail = f"where: {text!r} is not dimension:value"
            raise Problem(422, "invalid-filter", detail, parameter="where")
        _known(name, declared, "where")
        if len(value) > MAX_VALUE:
            detail = f"where: the value of {name!r} is longer than {MAX_VALUE} characters"
            raise Problem(422, "invalid-filter", detail, parameter="where", limit=MAX_VALUE)
        found.add((name, value))
    return tuple(sorted(found))


def fixed(
    declared: Metric | Funnel | Cohorts, name: str, caller: Caller
) -> tuple[tuple[str, str], ...]:
    """The conditions that always hold; raises Problem where the caller may see nothing."""
    always: Mapping[str, str] = declared.where if isinstance(declared, Metric) else {}
    return (*sorted(always.items()), *caller.rows_of(declared.tenant, repr(name)))


def _known(name: str, declared: Sequence[str], parameter: str) -> None:
    if name not in declared:
        known = ", ".join(declared) or "none"
        detail = f"{parameter}: {name!r} is not one of the dimensions; there are: {known}"
        raise Problem(422, "unknown-dimension", detail, parameter=parameter)
