"""How every process of Headrace logs: one line a record on stderr, as text or as JSON."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal

import orjson

from headrace.clock import SystemClock
from headrace.errors import ConfigError
from headrace.repeats import Repeats
from headrace.security.secret import redacted

VARIABLE: Final = "HEADRACE_LOG"
Format = Literal["text", "json"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")
TEXT: Final = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
#: Libraries that log below warnings what concerns them only, or the same many times a second.
NOISY: Final = ("faust", "mode", "aiokafka", "opentelemetry", "urllib3")
#: What every record has; the rest came with ``extra=`` and is a line's ``fields``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

log = logging.getLogger("headrace")


class TextLine(logging.Formatter):
    """For people."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """The line (several with a traceback), without passwords of URLs."""
        return redacted(super().format(record))


class JsonLine(logging.Formatter):
    """For machines: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, ``pid``.

    With ``fields`` when the record has any, ``exception`` with the traceback, and ``trace_id`` and
    ``span_id`` inside of a span that is exported.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One object on one line, without passwords of URLs."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _shown(record.getMessage()),
            "pid": record.process,
        }
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if fields:
            line["fields"] = _shown(fields)
        if record.exc_info:
            line["exception"] = _shown(self.formatException(record.exc_info))
        return orjson.dumps(line | _span()).decode()


class Stderr(logging.Handler):
    """Writes to what is stderr when a line comes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a line that can't be made is told as ``logging`` tells it."""
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


def configure(level: str, format_: str | None = None) -> None:
    """Log to stderr from ``level`` up; again with other values, those count.

    ``format_`` None is what ``HEADRACE_LOG`` says, else text. Raises ConfigError.
    """
    chosen, source = format_, "--log-format"
    if chosen is None:
        chosen, source = os.environ.get(VARIABLE) or "text", VARIABLE
    if chosen not in FORMATS:
        raise ConfigError(f"{source} {chosen!r}: use one of {', '.join(FORMATS)}")
    if level.lower() not in LEVELS:
        raise ConfigError(f"--log-level {level!r}: use one of {', '.join(LEVELS)}")
    handler = Stderr()
    handler.setFormatter(JsonLine() if chosen == "json" else TextLine())
    handler.addFilter(Repeats(NOISY, SystemClock()))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if chosen == "json":
        sys.excepthook = _uncaught


def is_json() -> bool:
    """Whether this process was configured to log JSON."""
    handlers = logging.getLogger().handlers
    return any(isinstance(h.formatter, JsonLine) for h in handlers)


def tell(error: Exception, exit_code: int) -> None:
    """Say on stderr which error ends this command: a sentence, or a line of JSON."""
    if is_json():
        log.error("%s", error, extra={"exit_code": exit_code})
    else:
        print(f"headrace: {error}", file=sys.stderr, flush=True)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _span() -> dict[str, str]:
    """The ids of the span that this is logged in; none when there is no exported one."""
    if "opentelemetry.sdk.trace" not in sys.modules:  # nobody exports: spare commands the import
        return {}
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def _shown(value: Any) -> Any:
    """A value as a line has it: no passwords of URLs, and no surrogates, which UTF-8 can't hold."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {_shown(str(name)): _shown(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_shown(inner) for inner in value]
        case _:
            return redacted(str(value)).encode(errors="backslashreplace").decode()
