"""The board of a serving process: there while it runs and knows where the services are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace.errors import ConfigError
from headrace.serve.context import Context
from headrace.serve.pipeline.board import Board
from headrace.serve.problems import Problem


class Watch:
    """Holds the board; without addresses of the services there is none, and this says why."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._board: Board | None = None
        #: Why there is no board; None when there is.
        self.missing: str | None = "the server is starting"

    @property
    def board(self) -> Board:
        """The board. Raises Problem when there is none."""
        if self._board is None:
            raise Problem(503, "no-services", str(self.missing))
        return self._board

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """The app's life, or a part of it."""
        try:
            where = self._context.endpoints
        except ConfigError as error:
            self.missing = str(error)
            yield
            return
        self._board, self.missing = Board(self._context.topology, where), None
        async with self._board.running():
            yield
