"""Panels of the live page: which metrics it shows, by what, as what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from headrace.topology.base import Model, Name
from headrace.topology.tree import Path, Tree

if TYPE_CHECKING:
    from headrace.topology.model import Topology

Show = Literal["lines", "bars", "table", "top", "funnel", "ranking"]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[smhd]$")]

#: What each kind of panel is made from; the other keys have no meaning for it.
_NEEDS: Mapping[Show, tuple[str, ...]] = {
    "lines": ("metrics",),
    "bars": ("metrics",),
    "table": ("metrics", "by"),
    "top": ("metrics", "by"),
    "funnel": ("funnel",),
    "ranking": ("view", "id"),
}
_MAY: Mapping[Show, tuple[str, ...]] = {"lines": ("by",), "bars": ("by",)}


class Panel(Model):
    """A panel, shown as one of:

    - ``lines``, ``bars``: ``metrics`` over time, one line each, or one for each value of ``by``;
    - ``table``: a row for each value of ``by``, a column for each of ``metrics``;
    - ``top``: the greatest values of one of ``metrics`` by ``by``;
    - ``funnel``: the steps of ``funnel``;
    - ``ranking``: the best members of the sorted sets that ``view`` keeps of ``id``.

    ``last`` is the time that it covers, up to now (``15m``, ``24h``), ``rows`` how many rows it has
    at most.
    """

    title: str
    show: Show
    metrics: tuple[Name, ...] = ()
    by: Name | None = None
    funnel: Name | None = None
    view: Name | None = None
    id: str | None = None
    last: Span = "1h"
    rows: Annotated[int, Field(ge=1, le=100)] = 8


def check(topology: Topology, tree: Tree) -> None:
    """Note every panel that can't be shown."""
    for name, panel in topology.serve.panels.items():
        at: Path = ("serve", "panels", name)
        for part, value, wrong, fix in (*_shape(panel), *_names(topology, panel)):
            tree.problem((*at, *part), value, wrong, fix)


_Wrong = tuple[Path, Any, str, str]


def _shape(panel: Panel) -> Iterator[_Wrong]:
    needs = _NEEDS[panel.show]
    for key in needs:
        if not getattr(panel, key):
            yield (key,), None, "missing", f"a panel shown as {panel.show!r} needs {key!r}"
    for key in ("metrics", "by", "funnel", "view", "id"):
        value = getattr(panel, key)
        if value and key not in (*needs, *_MAY.get(panel.show, ())):
            fix = f"leave it out, or choose another form than {panel.show!r}"
            yield (key,), value, "has no meaning here", fix
    if panel.show == "top" and len(panel.metrics) > 1:
        yield ("metrics",), list(panel.metrics), "more than one metric", "name one"


def _names(topology: Topology, panel: Panel) -> Iterator[_Wrong]:
    for i, name in enumerate(panel.metrics):
        metric = topology.metrics.get(name)
        if metric is None:
            yield ("metrics", i), name, "no such metric", _declared(topology.metrics)
        elif panel.by is not None and panel.by not in metric.dimensions:
            known = ", ".join(metric.dimensions) or "none"
            yield ("by",), panel.by, f"not a dimension of {name!r}", f"it has: {known}"
    if panel.funnel is not None and panel.funnel not in topology.funnels:
        yield ("funnel",), panel.funnel, "no such funnel", _declared(topology.funnels)
    if panel.view is not None and panel.view not in topology.serve.views:
        yield ("view",), panel.view, "no such view", _declared(topology.serve.views)


def _declared(names: Mapping[str, object]) -> str:
    return f"declared: {', '.join(names) or 'none'}"
