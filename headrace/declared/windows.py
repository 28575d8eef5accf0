"""Windows: where those that an event is in begin, in both engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from headrace.declared.convert import quoted
from headrace.rules.wrong import Wrong
from headrace.topology.declared import MAX_HOPS, Window, span_ms

#: Lengths for which ClickHouse has a function of its own, that readers know (docs/api.md).
_STARTS: Final = {
    60: "toStartOfMinute", 300: "toStartOfFiveMinutes", 600: "toStartOfTenMinutes",
    900: "toStartOfFifteenMinutes", 3_600: "toStartOfHour", 86_400: "toStartOfDay",
}  # fmt: skip
_CALENDAR: Final = {"day": "toDate", "week": "toMonday", "month": "toStartOfMonth"}
BEGIN = "_window"


@dataclass(frozen=True, slots=True)
class Begins:
    """A window as an expression of event time."""

    window: Window

    @property
    def column(self) -> str:
        """The type of ClickHouse's column: a point in time, or a date of the calendar."""
        return "Date" if self.window.calendar else "DateTime('UTC')"

    @property
    def hops(self) -> int:
        """How many windows an event is in."""
        assert self.window.every is not None or self.window.calendar
        if self.window.length is None or self.window.every is None:
            return 1
        return span_ms(self.window.length) // span_ms(self.window.every)

    def sql(self, time: str) -> str:
        """Where the window of a DateTime64 begins; of several windows, one row each."""
        if self.window.calendar:
            begin = _CALENDAR[self.window.calendar]
            return f"{begin}({time}, {quoted(self.window.zone)})"
        assert self.window.every is not None
        every_s = span_ms(self.window.every) // 1_000
        if self.hops == 1 and every_s in _STARTS:
            return f"{_STARTS[every_s]}({time})"
        begin = f"intDiv(toUnixTimestamp({time}), {every_s}) * {every_s}"
        if self.hops == 1:
            return f"toDateTime({begin}, 'UTC')"
        return (
            f"arrayJoin(arrayMap(hop -> toDateTime({begin} - hop * {every_s}, 'UTC'), "
            f"range({self.hops})))"
        )

    def rows(self, df: pl.DataFrame, ms: pl.Expr) -> pl.DataFrame:
        """The events with ``_window``, each as often as it is in one; ``ms`` is event time."""
        if self.window.calendar:
            local = ms.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(self.window.zone)
            date = local.dt.date()
            if self.window.calendar == "week":
                date = date.dt.truncate("1w")
            if self.window.calendar == "month":
                date = date.dt.month_start()
            return df.with_columns(date.alias(BEGIN))
        assert self.window.every is not None
        every = span_ms(self.window.every)
        begin = ms // every * every
        made = [
            df.with_columns((begin - hop * every).cast(pl.Datetime("ms", "UTC")).alias(BEGIN))
            for hop in range(self.hops)
        ]
        return pl.concat(made) if self.hops > 1 else made[0]


def wrong(window: Window) -> Iterator[Wrong]:
    """What is wrong with a declared window."""
    if window.session is not None or window.gap is not None:
        yield Wrong(
            "session" if window.session is not None else "gap",
            window.session or window.gap,
            "sessions are not windows of a declaration",
            "declare them under sessions: and read their topic",
        )
        return
    if (window.every is None) == (window.calendar is None):
        both = "both" if window.every else "neither"
        yield Wrong(None, both, "a window has every or calendar", "give one of them")
        return
    if window.calendar:
        if window.length is not None:
            yield Wrong("length", window.length, "a calendar window does not slide", "leave it out")
        try:
            ZoneInfo(window.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield Wrong("zone", window.zone, "no such time zone", "name one as Europe/Berlin")
        return
    if window.zone != "UTC":
        yield Wrong("zone", window.zone, "only calendar windows have a zone", "leave it out")
    assert window.every is not None
    if window.length is not None:
        every, length = span_ms(window.every), span_ms(window.length)
        if length % every or not 1 < length // every <= MAX_HOPS:
            yield Wrong(
                "length", window.length, f"is no multiple of every ({window.every})",
                f"2 to {MAX_HOPS} times every",
            )  # fmt: skip
