"""A replay from its beginning, or from where one was killed, to the switch; and back."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.archive.history import History
from headrace.archive.log import Log
from headrace.archive.reader import Archive
from headrace.block import TopicPartition
from headrace.delivery.crash import point
from headrace.dlq import letter as letters
from headrace.dlq.index import topic_of_letters
from headrace.dlq.log import DeadLetterLog
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError
from headrace.lag import LagReader
from headrace.replay import cut
from headrace.replay.build import Build, Phase, Span
from headrace.replay.copying import Copying, Pace
from headrace.replay.moments import offset_at
from headrace.replay.options import Options, Watcher
from headrace.replay.source import Offsets, Source, set_aside, tables_of
from headrace.replay.store import Comparison, Store
from headrace.topology.model import Topology

PAUSE_S = 0.2
#: Records of which it is asked whether agents give the same for few columns.
NARROW_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``comparison`` is None when there was nothing to compare with."""

    build: Build
    comparison: Comparison | None
    why: str

    @property
    def switched(self) -> bool:
        """Whether readers see the version."""
        return self.build.phase is Phase.SWITCHED


class Replay:
    """Of one view. Every step may be killed; the next run goes on where it was."""

    def __init__(
        self,
        root: Path,
        topology: Topology,
        where: Endpoints,
        view: str,
        store: Store,
        options: Options,
        watcher: Watcher,
    ) -> None:
        self._root = root
        self._topology = topology
        self._where = where
        self._view = view
        self._store = store
        self._options = options
        self._watcher = watcher
        self._tables = tables_of(topology, view)
        self._partitions = topology.topic_partitions(self._tables)

    def run(self) -> Result:
        """Build, compare, and switch if that may be. Raises ConfigError, Transient, Terminal."""
        build = self._unfinished() or self._begin()
        if build.phase is Phase.CUT:
            build = self._copy(build)
        if build.looked_at:
            return Result(build, None, f"it ends at a time: look at {self._view}__v{build.version}")
        return self._compared(build)

    # ---- beginning

    def _unfinished(self) -> Build | None:
        """The version that an earlier run began and that can be gone on with."""
        self._store.journal.create()
        builds = self._store.journal.builds()
        if not builds or not builds[-1].unfinished:
            return None
        build = builds[-1]
        if build.phase is Phase.PLANNED:  # nothing is in it that another one would not get
            self._discard(build)
            return None
        if build.definition != self._store.definition:
            raise ConfigError(
                f"a replay of {self._view!r} as it was declared before is not finished (version "
                f"{build.version}, {build.phase.value}): drop it with --discard, then replay"
            )
        if self._options.begin_ms is not None or self._options.end_ms is not None:
            raise ConfigError(
                f"a replay of {self._view!r} is not finished (version {build.version}, "
                f"{build.phase.value}): go on without --from and --to, or drop it with --discard"
            )
        return build

    def _begin(self) -> Build:
        if self._store.shown() is None:
            raise ConfigError(f"view {self._view!r} is not there yet: run 'headrace apply' first")
        self._watcher.phase("trying the view with rows that are there")
        self._store.trial()
        with self._history() as history, Log(self._where.kafka) as log:
            begins = {tp: history.begin(tp) for tp in self._partitions}
            if self._options.begin_ms is not None:
                begins = self._at(history, log, self._options.begin_ms)
            if self._options.end_ms is not None:
                build = self._plan(begins, self._at(history, log, self._options.end_ms))
                self._store.make(build.version)
            else:
                build = self._settle(log, begins)
        build = build.at(Phase.CUT)
        self._store.journal.record(build)
        point("replay_cut")
        return build

    def _history(self) -> History:
        declared = self._topology.archive
        return History(Archive(declared.url) if declared else None, self._where.kafka)

    def _at(self, history: History, log: Log, moment_ms: int) -> dict[TopicPartition, int]:
        return {tp: offset_at(history, log, tp, moment_ms) for tp in self._partitions}

    def _settle(self, log: Log, begins: Mapping[TopicPartition, int]) -> Build:
        self._watcher.phase("letting live rows into the new version")
        made: list[Build] = []

        def begin(cuts: cut.Ends) -> None:
            build = self._plan(begins, cuts)
            made.append(build)
            self._store.make(build.version)
            self._store.open(
                build.version,
                {
                    table: {tp.partition: cut for tp, cut in cuts.items() if tp.topic == topic}
                    for topic, tables in self._tables.items()
                    for table in tables
                },
            )
            point("replay_opened")

        cut.settle(
            lambda: {tp: log.range(tp)[1] for tp in self._partitions},
            begin,
            lambda: self._discard(made[-1]),
        )
        return made[-1]

    def _plan(
        self, begins: Mapping[TopicPartition, int], cuts: Mapping[TopicPartition, int]
    ) -> Build:
        known = [build.version for build in self._store.journal.builds()]
        shown = self._store.shown()
        assert shown is not None
        build = Build(
            view=self._view,
            version=max([*known, *self._store.held(), shown]) + 1,
            definition=self._store.definition,
            phase=Phase.PLANNED,
            before=shown,
            range_rows=self._options.range_rows,
            spans=tuple(
                Span(topic=tp.topic, partition=tp.partition, begin=begins[tp], cut=end)
                for tp, end in cuts.items()
            ),
            looked_at=self._options.end_ms is not None,
        )
        self._store.journal.record(build)
        point("replay_planned")
        return build

    # ---- copying

    def _copy(self, build: Build) -> Build:
        self._await_workers(build)
        self._watcher.phase("copying the log")
        self._watcher.log(build.offsets)
        sources = self._sources()
        for source in sources.values():
            self._narrow(source, build)
        copying = Copying(
            store=self._store,
            build=build,
            sources=sources,
            aside={topic: self._aside(topic) for topic in self._tables},
            open_log=self._history,
            told=self._watcher.copied,
            pace=Pace(self._options.max_rate),
            stop=threading.Event(),
        )
        copying.run(self._options.parallel)
        self._store.complete(build.version)
        build = build.at(Phase.COPIED)
        self._store.journal.record(build)
        point("replay_copied")
        return build

    def _sources(self) -> dict[str, Source]:
        return {
            topic: Source(
                self._root,
                self._topology,
                topic,
                {table: self._store.columns(table) for table in tables},
            )
            for topic, tables in self._tables.items()
        }

    def _narrow(self, source: Source, build: Build) -> None:
        """Ask the first block there is whether few columns do."""
        for span in build.spans:
            if span.topic == source.topic and len(span):
                with self._history() as log:
                    last = min(span.begin + NARROW_ROWS, span.cut) - 1
                    for block in log.blocks(span.tp, span.begin, last):
                        source.narrowed(block)
                return

    def _aside(self, topic: str) -> Offsets:
        """The records that workers set aside: what is sent back of them is a record of its own."""
        name = topic_of_letters(self._topology, topic)
        with DeadLetterLog(self._where.kafka, name) as log:
            found = (letters.read(message) for message in log.records())
            return set_aside({letter.origin for letter in found if letter is not None})

    def _await_workers(self, build: Build) -> None:
        """Wait until workers have applied what lies before the cuts, unless they stand still.

        What they set aside is known then, and the version that readers see is complete up to there.
        """
        cuts = {span.tp: span.cut for span in build.spans}
        self._watcher.phase("waiting for the workers to come to the cut")
        with LagReader(self._where.kafka, self._topology.name, cuts) as reader:
            moved, before = time.monotonic(), -1
            pause = threading.Event()
            while True:
                lags = reader.read()
                behind = sum(
                    max(cut - max(lags[tp].committed or 0, lags[tp].begin), 0)
                    for tp, cut in cuts.items()
                )
                if not behind:
                    return
                if behind != before:
                    moved, before = time.monotonic(), behind
                elif time.monotonic() - moved > self._options.wait_s:
                    return
                pause.wait(PAUSE_S)

    # ---- comparing and switching

    def _compared(self, build: Build) -> Result:
        self._watcher.phase("comparing with the version that readers see")
        shown = self._store.shown()
        if shown == build.version:  # killed between the switch and its record
            return self._switched(build, None, "readers see it already")
        assert shown is not None
        comparison = self._store.compare(shown, build.version, self._options.wait_s)
        build = build.at(Phase.COMPARED)
        self._store.journal.record(build)
        point("replay_compared")
        same = self._store.defined(shown) == build.definition
        if self._options.hold:
            return Result(build, comparison, "--no-switch was asked for")
        if not self._options.force and same and not comparison.equal:
            return Result(build, comparison, "it differs from the version that readers see")
        if not self._options.force and not same and not comparison.nothing_lost:
            return Result(build, comparison, "it lacks rows of the version that readers see")
        self._store.show(build.version)
        point("replay_shown")
        why = "equal" if comparison.equal else "asked for" if same else "defined otherwise"
        return self._switched(build, comparison, why)

    def _switched(self, build: Build, comparison: Comparison | None, why: str) -> Result:
        build = build.at(Phase.SWITCHED)
        self._store.journal.record(build)
        point("replay_switched")
        return Result(build, comparison, why)

    # ---- afterwards

    def rollback(self) -> tuple[int, int]:
        """Let readers see the version before again; returns from which to which."""
        shown, builds = self._shown()
        if shown not in builds:
            raise ConfigError(f"readers see version {shown} of {self._view!r}: none was before it")
        before = builds[shown].before
        if before not in self._store.held():
            raise ConfigError(f"version {before} of {self._view!r} is dropped: replay instead")
        self._store.show(before)
        self._store.journal.record(builds[shown].at(Phase.ROLLED_BACK))
        return shown, before

    def drop_old(self) -> list[int]:
        """Drop the versions that readers don't see."""
        shown, builds = self._shown()
        unfinished = [b.version for b in builds.values() if b.unfinished]
        if unfinished:
            raise ConfigError(
                f"version {unfinished[-1]} of {self._view!r} is being built: finish it with "
                f"'headrace replay {self._view}', or drop it with --discard"
            )
        old = [version for version in self._store.held() if version != shown]
        for version in old:
            self._store.drop(version)
        return old

    def discard(self) -> list[int]:
        """Drop what is being built."""
        shown, builds = self._shown()
        unfinished = [b for b in builds.values() if b.unfinished and b.version != shown]
        for build in unfinished:
            self._discard(build)
        return [build.version for build in unfinished]

    def _discard(self, build: Build) -> None:
        self._store.drop(build.version)
        self._store.journal.record(build.at(Phase.DISCARDED))

    def _shown(self) -> tuple[int, dict[int, Build]]:
        self._store.journal.create()
        shown = self._store.shown()
        if shown is None:
            raise ConfigError(f"view {self._view!r} is not there yet: run 'headrace apply' first")
        return shown, {build.version: build for build in self._store.journal.builds()}
