"""One agent on frames, in the order given, undisturbed."""

from __future__ import annotations

from headrace.agent import AgentFunction
from headrace.frame import Frame
from headrace.memory import MemorySink
from headrace.sink import BlockRange
from headrace.writes import Writes


def step(agent: AgentFunction, frame: Frame) -> tuple[BlockRange, Writes]:
    """What sinks receive for a frame: its range, and the agent's writes with updates combined."""
    block = frame.block
    where = BlockRange(block.topic, block.partition, block.first, block.last)
    return where, agent(frame).combined()


def run(agent: AgentFunction, *frames: Frame, sink: MemorySink | None = None) -> MemorySink:
    """Run an agent on frames, in order, into a sink; the sink given or a new one is returned."""
    sink = sink if sink is not None else MemorySink()
    for one in frames:
        sink.take(*step(agent, one))
    return sink
