"""One block on its way: decoded once, computed by every agent that reads its topic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from headrace.agent import AgentFunction, StatefulAgent, States, poison
from headrace.block import Block
from headrace.delivery.pace import Turn
from headrace.delivery.threads import in_thread
from headrace.errors import HeadraceError
from headrace.frame import OFFSET, Bad, Frame
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


#: Reads the states before a block, by keyspace, for the keys of its frame; None: not needed.
ReadStates = Callable[[Frame], Awaitable[Mapping[str, States] | None]]


class Job:
    """A Block with the work on it. Faust hands the same Job to each agent's stream.

    Agents with state are run when the outcome is asked for: not before the block before is applied.

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
        stateful: Mapping[str, StatefulAgent] | None = None,
    ) -> None:
        self.block = block
        self.trace = trace
        trace.until("decode", frame)
        self._agents = agents
        self._stateful = stateful or {}
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
        if agent in self._stateful:
            return
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

    async def outcome(self, read: ReadStates | None = None, aside: Sequence[int] = ()) -> Outcome:
        """Wait for all agents; raise what decoding raised, or an agent's HeadraceError.

        Agents with state are run if ``read`` is given and has states for them. Otherwise ``aside``
        are the offsets that they set aside when they were: no other agent gets those.

        When an agent raised anything else, the records that make it raise are found by halving
        the block (agents are functions of the records, so a block may be cut anywhere), set aside
        for every agent, and the block is computed again without them.
        """
        frame = await self.frame()
        answers = await asyncio.gather(*self._writes.values(), return_exceptions=True)
        results = dict(zip(self._writes, answers, strict=True))
        _raise_ours(results)
        runs: dict[str, Callable[[Frame], Writes]] = dict(self._agents)
        states = await read(frame) if read is not None else None
        if aside:
            frame = replace(frame, df=frame.df.filter(~pl.col(OFFSET).is_in(list(aside))))
            results = await self._compute(runs, frame)
        if states is not None:
            keyed = {
                name: partial(agent.run, states=states[agent.keyspace])
                for name, agent in self._stateful.items()
            }
            results |= await self._compute(keyed, frame)
            runs |= keyed
        bad, kept_aside = list(frame.bad), list[int]()
        while failed := [name for name, r in results.items() if isinstance(r, Exception)]:
            _raise_ours(results)
            for name in failed:
                agent = self._stateful.get(name) or self._agents[name]
                held = states[agent.keyspace] if states and isinstance(agent, StatefulAgent) else {}
                found, frame = await in_thread(self._executor, poison, name, agent, frame, held)
                bad.extend(found)
                if isinstance(agent, StatefulAgent):
                    kept_aside += (int(self.block.offsets[entry.index]) for entry in found)
            results = await self._compute(runs, frame)
        writes = sum((r for r in results.values() if isinstance(r, Writes)), NOTHING)
        writes = replace(writes, aside=sorted(kept_aside))
        bad.sort(key=lambda entry: entry.index)
        return Outcome(writes, tuple(bad), len(frame), frame.repeats, frame.failed)

    async def _compute(
        self, runs: Mapping[str, Callable[[Frame], Writes]], frame: Frame
    ) -> dict[str, Writes | BaseException]:
        async def one(name: str) -> Writes:
            with self.trace.step(f"agent {name}"):
                return await in_thread(self._executor, runs[name], frame)

        results = await asyncio.gather(*map(one, runs), return_exceptions=True)
        return dict(zip(runs, results, strict=True))

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


def _raise_ours(results: Mapping[str, Writes | BaseException]) -> None:
    """Raise what is no record's fault."""
    for result in results.values():
        ours = isinstance(result, HeadraceError)
        if isinstance(result, BaseException) and (ours or not isinstance(result, Exception)):
            raise result
