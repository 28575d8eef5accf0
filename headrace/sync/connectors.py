"""Kafka Connect's REST interface: connectors checked, deployed, and how they are."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from headrace.errors import ConfigError, Terminal, Transient

TIMEOUT_S: Final = 60.0
PAUSE_S: Final = 0.2
#: Debezium's name of a connector, which is that of its topics and its metrics.
PREFIX: Final = "topic.prefix"
#: Answers while the worker is busy with its group; the same request is right a moment later.
_BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class State:
    """How a connector is: Connect's words for it and its tasks, and why one failed."""

    name: str
    connector: str
    tasks: tuple[str, ...]
    why: str

    @property
    def healthy(self) -> bool:
        """Whether it runs and so do all its tasks, of which there is at least one."""
        return bool(self.tasks) and {self.connector, *self.tasks} == {"RUNNING"}


class Connectors:
    """The connectors of one Connect cluster."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def problems(self, name: str, config: Mapping[str, str]) -> list[str]:
        """What is wrong with a configuration, field by field: what the connector's plugin finds,
        and what another connector has already.

        The plugin asks the database, too, so that must be there. Raises Transient, and ConfigError
        where the worker has no such plugin.
        """
        plugin = config["connector.class"].rpartition(".")[2]
        path = f"/connector-plugins/{plugin}/config/validate"
        wrong = [
            f"{entry['value']['name']}: {message}"
            for entry in self._ask("PUT", path, {"name": name, **config})["configs"]
            if entry["value"] is not None  # of a field that only other settings would make one
            for message in entry["value"]["errors"]
        ]
        return wrong + self._taken(name, config)

    def put(self, name: str, config: Mapping[str, str], wait_s: float) -> State:
        """Deploy a connector, or change it, and wait until it runs.

        Raises ConfigError with every problem of the configuration, Terminal when a task fails or
        nothing runs within ``wait_s``.
        """
        wrong = self.problems(name, config)
        if wrong:
            raise ConfigError("\n".join(f"{name}: {problem}" for problem in wrong))
        self._ask("PUT", f"/connectors/{name}/config", config)
        deadline = time.monotonic() + wait_s
        while not (state := self.state(name)).healthy:
            if "FAILED" in (state.connector, *state.tasks):
                raise Terminal(f"connector {name!r} failed: {state.why}")
            if time.monotonic() > deadline:
                raise Terminal(f"connector {name!r} does not run after {wait_s:.0f} s: {state}")
            time.sleep(PAUSE_S)
        return state

    def state(self, name: str) -> State:
        """How one is; raises Transient."""
        # A connector has no status until its worker has heard of it.
        again = _BUSY | {HTTPStatus.NOT_FOUND}
        status = self._ask("GET", f"/connectors/{name}/status", again=again)
        parts = [status["connector"], *status["tasks"]]
        why = next((part["trace"] for part in parts if part.get("trace")), "")
        tasks = tuple(task["state"] for task in status["tasks"])
        return State(name, status["connector"]["state"], tasks, _cause(why))

    def states(self) -> Iterator[State]:
        """How all are, by name."""
        for name in sorted(self._ask("GET", "/connectors")):
            yield self.state(name)

    def delete(self, name: str) -> None:
        """Take a connector away. Its offsets stay, and so does its slot in PostgreSQL."""
        self._ask("DELETE", f"/connectors/{name}")

    def _taken(self, name: str, config: Mapping[str, str]) -> list[str]:
        """Whose ``topic.prefix`` a connector of Debezium would have, told as a problem.

        Connect and Debezium take such a one and say RUNNING, but it tries twelve times, 5 s apart,
        to have metrics of a name that the other's have: 55 s before its snapshot and as many for
        streaming, in which nothing is read. It would write to the other's topics, too.
        """
        kind, prefix = config["connector.class"], config.get(PREFIX)
        if not kind.startswith("io.debezium."):
            return []  # others have fields of this name that connectors may share
        return [
            f"{PREFIX}: {prefix!r} is that of connector {other!r}: give each one of its own"
            for other, told in sorted(self._ask("GET", "/connectors?expand=info").items())
            if other != name
            and told["info"]["config"]["connector.class"] == kind
            and told["info"]["config"].get(PREFIX) == prefix
        ]

    def _ask(self, method: str, path: str, body: Any = None, again: Collection[int] = _BUSY) -> Any:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            request = urllib.request.Request(
                self._url + path,
                method=method,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                    text = answer.read()
                    return orjson.loads(text) if text else None
            except urllib.error.HTTPError as error:
                said = error.read().decode(errors="replace")[:500]
                if error.code not in again or time.monotonic() > deadline:
                    raise ConfigError(f"connect: {method} {path}: {error.code} {said}") from error
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Transient(f"connect at {self._url} does not answer: {error}") from error
            time.sleep(PAUSE_S)


def _cause(trace: str) -> str:
    """The last cause of a Java stack trace."""
    lines = [line for line in trace.splitlines() if not line.startswith("\t")]
    return lines[-1].removeprefix("Caused by: ") if lines else ""
