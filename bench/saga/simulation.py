"""Orders, services and the process in simulated time: a discrete-event simulation.

Only Kafka and the stores are simulated: the events of a block go through Avro into the process's
own agent with the states that are kept, and what it emits goes through Avro to the services. A
block that is repeated, as after a crash, must ask for the same.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.saga.wire import Wire
from headrace.process.agent import agent_of
from headrace.process.machine import Machine
from headrace.writes import Writes
from loadgen.fulfilment import Faults, Order, Services

#: An operator looks after stuck instances so long after they got stuck.
RESUME_MS = 3_600_000
#: A block waits for more events no longer than this.
BLOCK_MS = 1_000
EVENT, COMMAND, TIMER = range(3)


@dataclass(slots=True)
class Seen:
    """What happened. ``ends`` has the final state that each instance was in last."""

    events: int = 0
    commands: int = 0
    blocks: int = 0
    repeated: int = 0
    stuck: int = 0
    late: int = 0
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: dict[str, str] = field(default_factory=dict)
    #: The log of the process's topic, for tests that run it again.
    log: list[tuple[int, dict[str, Any]]] | None = None


class Simulation:
    """``crashes`` is the share of blocks that are repeated, ``block`` the most events of one.

    Without ``encode`` what is emitted goes to the services as it is, which is quicker.
    """

    def __init__(
        self,
        machine: Machine,
        services: Services,
        faults: Faults,
        random: Random,
        *,
        crashes: float = 0.0,
        block: int = 2_000,
        encode: bool = True,
        keep_log: bool = False,
    ) -> None:
        process = machine.process
        self.seen = Seen(log=[] if keep_log else None)
        self.states: dict[str, bytes] = {}
        self._machine = machine
        self._agent = agent_of(machine)
        self._services = services
        self._faults = faults
        self._random = random
        self._crashes = crashes
        self._encode = encode
        self._most = block
        self._events = Wire(process.topic)
        self._commands = Wire(process.commands_topic)
        self._transitions = Wire(process.transitions_topic)
        self._agenda: list[tuple[int, int, int, Any]] = []
        self._entries = 0
        self._due: dict[str, int] = {}

    def run(self, orders: Iterable[Order]) -> Seen:
        """Until nothing is left to happen: the last to go are the states of what has ended."""
        for order in orders:
            for at, event in order.events:
                self._plan(at, EVENT, event)
        block: list[tuple[int, dict[str, Any]]] = []
        most = self._size()
        while self._agenda or block:
            now = self._agenda[0][0] if self._agenda else None
            if block and (now is None or len(block) >= most or now > block[0][0] + BLOCK_MS):
                self._block(block)
                block, most = [], self._size()
                continue
            at, _, kind, what = heapq.heappop(self._agenda)
            if kind == EVENT:
                block.append((at, what))
            elif kind == COMMAND:
                self._serve(at, what)
            elif self._due.get(what) == at:
                block.append((at, self._timer(what, at)))
        return self.seen

    def _size(self) -> int:
        return self._random.randint(1, self._most)

    def _plan(self, at: int, kind: int, what: Any) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (at, self._entries, kind, what))

    def _timer(self, instance: str, at: int) -> dict[str, Any]:
        names, topics = self._machine.names, self._machine.topics
        return {
            topics.id: f"timer/{instance}/{at}",
            names.time: at,
            names.type: names.timer,
            topics.instance: instance,
        }

    def _serve(self, at: int, command: Mapping[str, Any]) -> None:
        answer = self._services.handle(command, at)
        for delay in self._faults.answers(self._random) if answer is not None else ():
            self._plan(at + delay, EVENT, answer)

    def _block(self, block: list[tuple[int, dict[str, Any]]]) -> None:
        now = block[-1][0]
        seen = self.seen
        seen.blocks += 1
        seen.events += len(block)
        if seen.log is not None:
            seen.log.extend(block)
        frame = self._events.block([event for _, event in block], [at for at, _ in block])
        writes = self._agent(frame, self.states)
        if self._random.random() < self._crashes:
            seen.repeated += 1
            again = self._agent(frame, self.states)
            assert asked(again) == asked(writes), "a repeated block asked for something else"
        self._keep(writes)
        for emit in writes.events:
            if emit.topic == self._machine.process.commands_topic:
                self._send(now, emit.events)
            else:
                self._tell(now, emit.events)

    def _keep(self, writes: Writes) -> None:
        for state in writes.state:
            for instance, value in state.values.items():
                if value is None:
                    self.states.pop(instance, None)
                else:
                    self.states[instance] = value
                due = state.due.get(instance)
                if due is None:
                    self._due.pop(instance, None)
                elif self._due.get(instance) != due:
                    self._due[instance] = due
                    self._plan(due, TIMER, instance)

    def _send(self, now: int, commands: Any) -> None:
        for command in self._commands.read(commands) if self._encode else commands:
            self.seen.commands += 1
            for delay in self._faults.deliveries(self._random):
                self._plan(now + delay, COMMAND, command)

    def _tell(self, now: int, transitions: Any) -> None:
        topics = self._machine.topics
        for told in self._transitions.read(transitions) if self._encode else transitions:
            instance = told[topics.transitions_instance]
            self.seen.transitions[told["from_state"], told["to_state"]] += 1
            if told["final"]:
                self.seen.ends[instance] = told["to_state"]
            elif self.seen.ends.pop(instance, None) is not None:
                self.seen.late += 1
            if told["stuck"]:
                self.seen.stuck += 1
                self._plan(now + RESUME_MS, EVENT, self._resume(instance, now + RESUME_MS))

    def _resume(self, instance: str, at: int) -> dict[str, Any]:
        names = self._machine.names
        return {**self._timer(instance, at), names.type: names.resume}


def asked(writes: Writes) -> Any:
    """Writes as values that can be compared."""
    return (
        [(emit.topic, list(emit.events)) for emit in writes.events],
        [(state.keyspace, dict(state.values), dict(state.due)) for state in writes.state],
    )
