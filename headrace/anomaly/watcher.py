"""All watches of a topology: minutes in, alert events out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgpack

from headrace.anomaly.alert import Group
from headrace.anomaly.chart import Limits
from headrace.anomaly.detector import Detector, Spec, Values
from headrace.anomaly.grouping import Grouping
from headrace.anomaly.laws import Counts, Law, Levels
from headrace.anomaly.profile import Season
from headrace.topology.anomalies import Anomalies, Watch
from headrace.topology.model import Topology

#: By the form of a metric's measure. The dispersion of a sum is in its unit and has no least value.
LAWS: Final[Mapping[str, Law]] = {
    "count": Counts(floor=1.0),
    "distinct": Counts(floor=1.0),
    "ratio": Counts(floor=1.0),
    "sum": Counts(floor=1e-9),
    "quantile": Levels(),
}
#: Of these a series without a value in a minute had none; of others there is nothing to judge.
ZEROS: Final = frozenset({"count", "distinct", "sum"})


class Watcher:
    """Judges minutes in order. The events depend on the minutes alone, wherever it was stopped,
    dumped and loaded in between."""

    def __init__(self, topology: Topology) -> None:
        declared = topology.anomalies
        self._watches = declared.watches
        self._kinds = {
            name: topology.metrics[watch.metric].measure.kind
            for name, watch in declared.watches.items()
        }
        self._detectors = {
            name: Detector(_spec(declared, watch, self._kinds[name]))
            for name, watch in declared.watches.items()
        }
        self._shapes = {name: self._shape(declared, name) for name in declared.watches}
        self._grouping = Grouping(
            {
                name: Group(g.owner, g.severity, g.within_minutes, g.daily_cap)
                for name, g in declared.groups.items()
            }
        )
        #: The last minute judged; None before the first.
        self.minute: int | None = None

    def judge(self, minute: int, values: Mapping[str, Values]) -> list[dict[str, Any]]:
        """Judge a complete minute, the one after the last; ``values`` by watch.

        Returns the events of schema ``alerts``, in an order that follows from them.
        """
        if self.minute is not None and minute != self.minute + 1:
            raise ValueError(f"minute {minute} after {self.minute}: each has to be judged in order")
        for name, detector in self._detectors.items():
            watch = self._watches[name]
            changes = detector.judge(minute, values.get(name, {}))
            self._grouping.take(minute, watch.group, name, watch.metric, watch.by, changes)
        self.minute = minute
        return self._grouping.settle(minute)

    def series(self) -> dict[str, int]:
        """How many series each watch has."""
        return {name: detector.series for name, detector in self._detectors.items()}

    def dump(self) -> bytes:
        """The whole state."""
        watches = {
            name: {"shape": self._shapes[name], **detector.dump()}
            for name, detector in self._detectors.items()
        }
        state = {"minute": self.minute, "watches": watches, "alerts": self._grouping.dump()}
        packed: bytes = msgpack.packb(state)
        return packed

    def load(self, data: bytes) -> list[str]:
        """Go on where another was; returns the watches that begin anew.

        Those are the new ones, and those declared differently in what their state depends on: they
        learn again, and what they had open ends.
        """
        state = msgpack.unpackb(data, strict_map_key=False)
        self.minute = state["minute"]
        kept = {
            name
            for name, held in state["watches"].items()
            if held["shape"] == self._shapes.get(name)
        }
        for name in kept:
            self._detectors[name].load(state["watches"][name])
        self._grouping.load(state["alerts"])
        if self.minute is not None:
            self._grouping.end_all(self.minute, kept)
        return [name for name in self._watches if name not in kept]

    def _shape(self, declared: Anomalies, name: str) -> str:
        """What the meaning of a watch's state depends on."""
        watch = self._watches[name]
        season = (declared.season_minutes, declared.slot_minutes)
        return repr((watch.metric, self._kinds[name], watch.by, watch.where, watch.level, season))


def _spec(declared: Anomalies, watch: Watch, kind: str) -> Spec:
    return Spec(
        law=LAWS[kind],
        season=Season(declared.season_minutes, declared.slot_minutes, declared.memory_seasons),
        limits=Limits(
            watch.width, watch.change, watch.direction, watch.minutes, watch.smooth_minutes
        ),
        zeros=kind in ZEROS,
        logarithms=kind == "quantile",
        learn_minutes=declared.learn_seasons * declared.season_minutes,
        adopt_minutes=declared.adopt_minutes,
        max_series=watch.max_series,
    )
