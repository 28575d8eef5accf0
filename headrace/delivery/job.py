"""One block on its way: decoded once, computed by every agent that reads its topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from headrace.agent import AgentFunction, poison
from headrace.block import Block
from headrace.delivery.pace import Turn
from headrace.delivery.threads import in_thread
from headrace.errors import HeadraceError
from headrace.frame import Bad, Frame
from headrace.telemetry.blocks import BlockTrace
from headrace.writes import NOTHING, Writes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a block comes to: the agents' writes together, and the records to set aside."""

    writes: Writes
    bad: tuple[Bad, ...]
    events: int
    repeats: int
    failed: Mapping[str, int]


class Job:
    """A Block with the work on it. Faust hands the same Job to each agent's stream.

    ``frame`` is the block as it will be when it is decoded. Agents run in ``executor``'s threads;
    Polars, Arrow and NumPy release the GIL. ``trace`` has the block's span.
    """

    def __init__(
        self,
        block: Block,
        frame: asyncio.Future[Frame],
        agents: Mapping[str, AgentFunction],
        executor: Executor,
        turn: Turn | None,
        trace: BlockTrace,
    ) -> None:
        self.block = block
        self.trace = trace
        trace.until("decode", frame)
        self._agents = agents
        self._executor = executor
        self._turn = turn
        self._frame = frame
        self._writes: dict[str, asyncio.Future[Writes]] = {
            name: asyncio.get_running_loop().create_future() for name in agents
        }

    async def frame(self) -> Frame:
        """The decoded block, shared by all agents."""
        return await asyncio.shield(self._frame)

    async def run(self, agent: str) -> None:
        """Run one agent on the block and keep what it asks for, or how it failed."""
        result = self._writes[agent]
        try:
            frame = await self.frame()
            with self.trace.step(f"agent {agent}"):
                writes = await in_thread(self._executor, self._agents[agent], frame)
        except asyncio.CancelledError:
            if not self._frame.cancelled():
                raise  # the agent itself is stopped, not the job dropped
        except Exception as error:
            if not result.done():
                result.set_exception(error)
        else:
            if not result.done():
                result.set_result(writes)

    async def outcome(self) -> Outcome:
        """Wait for all agents; raise what decoding raised, or an agent's HeadraceError.

        When an agent raised anything else, the records that make it raise are found by halving
        the block (agents are functions of the records, so a block may be cut anywhere), set aside
        for every agent, and the block is computed again without them.
        """
        frame = await self.frame()
        results = await asyncio.gather(*self._writes.values(), return_exceptions=True)
        bad = list(frame.bad)
        failed = [
            name for name, r in zip(self._writes, results, strict=True) if isinstance(r, Exception)
        ]
        for result in results:
            if isinstance(result, HeadraceError) or (
                isinstance(result, BaseException) and not isinstance(result, Exception)
            ):
                raise result
        while failed:
            for name in failed:
                found, frame = await in_thread(
                    self._executor, poison, name, self._agents[name], frame
                )
                bad.extend(found)
            failed, results = await self._again(frame)
        writes = sum((r for r in results if isinstance(r, Writes)), NOTHING)
        bad.sort(key=lambda entry: entry.index)
        return Outcome(writes, tuple(bad), len(frame), frame.repeats, frame.failed)

    async def _again(self, frame: Frame) -> tuple[list[str], list[Writes | BaseException]]:
        results: list[Writes | BaseException] = await asyncio.gather(
            *(in_thread(self._executor, function, frame) for function in self._agents.values()),
            return_exceptions=True,
        )
        failed = [
            name for name, r in zip(self._agents, results, strict=True) if isinstance(r, Exception)
        ]
        return failed, results

    def written(self) -> None:
        """All sinks have it: the next block may take its turn."""
        if self._turn is not None:
            self._turn.end()

    def cancel(self) -> None:
        """Drop the work; a result that comes later is ignored."""
        self.written()
        self.trace.end()
        self._frame.cancel()
        for result in self._writes.values():
            result.cancel()
