"""The serving process's connections to Redis: few, however many callers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from headrace.errors import ConfigError, Transient
from headrace.security.redis import connect
from headrace.serve.context import Context

#: Round trips at a time, and so connections to one server, and the commands of one (unless a caller
#: alone has more). Redis writes 64 KB to a connection before it turns to a worker's next script
#: (NET_MAX_WRITES_PER_EVENT), so a long reply takes many turns: beside 50,000 events/s 2 trips of
#: 2,000 commands read 147 persons/s, 8 of 80 read 750.
CONNECTIONS = 8
MAX_COMMANDS = 80

Command = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    commands: Sequence[Command]
    answers: asyncio.Future[list[Any]]


class Keys:
    """Runs commands in pipelines. Connects when it is first asked.

    Who asks while all round trips are under way shares the next one with all others who do: while
    Redis applies a worker's block it answers nobody, and everybody at once after it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Any = None
        self._waiting: deque[_Asked] = deque()
        self._trips: set[asyncio.Task[None]] = set()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Answers in the order of the commands, which run in that order on each server.

        Raises Transient when a server is away or refuses.
        """
        asked = _Asked(commands, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._trips) < CONNECTIONS:
            trip = asyncio.create_task(self._answer_waiting())
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        answers = await asked.answers
        for answer in answers:
            if isinstance(answer, Exception):
                raise Transient(f"redis: {answer}") from answer
        return answers

    async def _answer_waiting(self) -> None:
        while self._waiting:
            together = self._take()
            try:
                answers = await self._execute([c for asked in together for c in asked.commands])
            except Transient as error:
                for asked in together:
                    if not asked.answers.done():  # its caller may have given up
                        asked.answers.set_exception(Transient(str(error)))
                continue
            at = 0
            for asked in together:
                if not asked.answers.done():
                    asked.answers.set_result(answers[at : at + len(asked.commands)])
                at += len(asked.commands)

    def _take(self) -> list[_Asked]:
        """Who goes on the next round trip."""
        taken = [self._waiting.popleft()]
        count = len(taken[0].commands)
        while self._waiting and count + len(self._waiting[0].commands) <= MAX_COMMANDS:
            taken.append(self._waiting.popleft())
            count += len(taken[-1].commands)
        return taken

    async def _execute(self, commands: Sequence[Command]) -> list[Any]:
        """An answer or an error for each command."""
        try:
            pipeline = self._connected().pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            raise Transient(f"redis: {error}") from error
        return answers

    def _connected(self) -> Any:
        if self._client is None:
            try:
                self._client = connect(self._context.endpoints.redis)
            except ConfigError as error:
                raise Transient(f"redis: {error}") from error
        return self._client

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
