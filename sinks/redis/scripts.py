"""Scripts at a server: loaded when they are not there, their errors as the server worded them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from headrace.security.redis import connect, look_again
from sinks.redis.errors import ERRORS, classify, demoted


class Server:
    """A connection that runs scripts of this package."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet."""
        self._url = url
        self.client: Any = None
        self._shas: dict[str, str] = {}

    async def start(self) -> None:
        """Raises ConfigError for an address of no known form."""
        self.client = connect(self._url)

    async def close(self) -> None:
        """Disconnect."""
        if self.client is not None:
            await self.client.aclose()

    async def run(
        self, what: str, script: str, calls: Iterable[tuple[Sequence[str], Sequence[Any]]]
    ) -> list[Any]:
        """Run a script with each of these keys and arguments, in order, in one round trip.

        All are sent before the first answer is read. Raises what the first error is classified as.
        """
        try:
            if script not in self._shas:
                self._shas[script] = await self.client.script_load(source(script))
            pipeline = self.client.pipeline(transaction=False)
            for keys, arguments in calls:
                # By name: the cluster's pipeline has the method blocked, the command works.
                pipeline.execute_command(
                    "EVALSHA", self._shas[script], len(keys), *keys, *arguments
                )
            return await answers(pipeline)
        except ERRORS as error:
            if isinstance(error, NoScriptError):
                self._shas.clear()  # the server restarted: load again on the next try
            if demoted(error):
                await look_again(self.client)
            raise classify(error, what) from error


def source(script: str) -> str:
    """The text of a script of this package."""
    return files("sinks.redis").joinpath(script).read_text(encoding="utf-8")


async def answers(pipeline: Any) -> list[Any]:
    """Send a pipeline; raises the first error as the server worded it.

    Left to raise by itself, redis-py puts the command in front of the text, and the first word of
    the text is what tells errors apart. Where redis-py fails to follow a cluster's redirect, its
    own error stands among the answers, of any type.
    """
    found: list[Any] = await pipeline.execute(raise_on_error=False)
    for answer in found:
        if isinstance(answer, ERRORS):
            raise answer
        if isinstance(answer, Exception):
            raise RedisError(f"could not follow a redirect: {answer!r}") from answer
    return found
