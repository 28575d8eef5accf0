"""Archive and log of the real broker read as one: nothing missing, nothing twice, gaps named."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from headrace.archive import log as log_of_topics
from headrace.archive.archiver import Archiver, Progress
from headrace.archive.cut import Cut
from headrace.archive.history import History
from headrace.archive.log import Log
from headrace.archive.proof import prove
from headrace.archive.reader import Archive
from headrace.clock import ManualClock
from headrace.errors import ConfigError, Terminal, Transient
from tests.archive.kafka import Topic
from tests.archive.records import HOUR_MS, records_of
from tests.sinks.redis_servers import until

pytestmark = pytest.mark.slow

CUT = Cut(rows=7, nbytes=10_000, slot_ms=HOUR_MS, group_rows=4)


@pytest.fixture
def topic(stack) -> Topic:
    """40 records are committed; there are aborted ones before, between and behind them."""
    made = Topic(stack.kafka)
    made.send(3, abort=True)
    for _ in range(4):
        made.send(10)
        made.send(2, abort=True)
    return made


def archived(topic: Topic, url: str, *, skip_lost: bool = False) -> Progress:
    with Log(topic.kafka) as log:
        archiver = Archiver(url, log, CUT, ManualClock())
        archiver.start([topic.name], skip_lost=skip_lost)
        return archiver.run(threading.Event(), follow=False, tell=lambda _: None)


def read(history: History, topic: Topic, first: int, last: int):
    blocks = list(history.blocks(topic.tp, first, last))
    assert (blocks[0].first, blocks[-1].last) == (first, last)
    for one, other in pairwise(blocks):
        assert other.first == one.last + 1
    return [record for block in blocks for record in records_of(block)]


def test_what_is_committed_is_archived_with_all_its_bytes(topic, tmp_path):
    expected, url = topic.records(), str(tmp_path)
    assert len(expected) == 40
    done = archived(topic, url)
    assert (done.records, done.left) == (40, done.left)
    with Log(topic.kafka) as log:
        _, end = log.range(topic.tp)
        assert Archive(url).spans(*topic.tp) == [(0, end - 1)]  # the marks behind the last, too
        proof = prove(Archive(url), log, topic.tp)
    assert proof.proven
    assert (proof.records, proof.compared) == (40, 40)
    assert archived(topic, url).records == 0  # again: nothing is left to do


def test_any_range_is_the_same_from_archive_log_or_both(topic, tmp_path, monkeypatch):
    expected, url = topic.records(), str(tmp_path)
    archived(topic, url)
    topic.send(5)
    expected = topic.records()
    topic.trim(expected[20].offset)  # the log begins within the archive now
    with History(Archive(url), topic.kafka) as history:
        assert history.begin(topic.tp) == 0
        end = history.end(topic.tp)
        assert end == expected[-1].offset + 2  # a commit's marker is behind it
        for first, last in [(0, end - 1), (0, 3), (5, 30), (37, end - 1), (end - 4, end - 1)]:
            wanted = [record for record in expected if first <= record.offset <= last]
            assert read(history, topic, first, last) == wanted
        assert read(history, topic, end - 1, end - 1) == []  # only the marker
        monkeypatch.setattr(log_of_topics, "PATIENCE_S", 1.0)
        with pytest.raises(Transient, match=f"offset {end} is not there yet"):
            list(history.blocks(topic.tp, 0, end))


def test_what_an_open_transaction_has_is_not_committed_yet(topic, tmp_path):
    expected, url = topic.records(), str(tmp_path)
    topic.send(5, leave_open=True)
    assert archived(topic, url).records == len(expected)
    with History(Archive(url), topic.kafka) as history:
        before = history.end(topic.tp)
        assert read(history, topic, 0, before - 1) == expected
        topic.commit()
        assert history.end(topic.tp) == before + 6
        assert read(history, topic, 0, before + 5) == topic.records()
    assert archived(topic, url).records == 5


def test_without_an_archive_history_is_the_log(topic):
    expected = topic.records()
    topic.trim(expected[4].offset)
    with History(None, topic.kafka) as history:
        begin, end = history.begin(topic.tp), history.end(topic.tp)
        assert begin == expected[4].offset
        assert read(history, topic, begin, end - 1) == expected[4:]
        with pytest.raises(Terminal, match=f"offsets 0 to {begin - 1} are neither"):
            list(history.blocks(topic.tp, 0, end - 1))


def test_what_retention_took_before_it_was_archived_is_a_gap_with_a_name(topic, tmp_path):
    url = str(tmp_path)
    archived(topic, url)
    archive = Archive(url)
    ((_, last),) = archive.spans(*topic.tp)
    topic.send(10)
    topic.trim(last + 5)
    gap = f"offsets {last + 1} to {last + 4} are neither in the archive nor in the log"
    with History(archive, topic.kafka) as history:
        assert history.begin(topic.tp) == last + 5
        with pytest.raises(Terminal, match=gap):
            list(history.blocks(topic.tp, 0, history.end(topic.tp) - 1))
        with pytest.raises(Terminal, match=gap):
            archived(topic, url)
        archived(topic, url, skip_lost=True)
        assert [first for first, _ in archive.spans(*topic.tp)] == [0, last + 5]
        assert history.begin(topic.tp) == last + 5
        assert read(history, topic, last + 5, history.end(topic.tp) - 1) == topic.records()
        with pytest.raises(Terminal, match=f"offsets {last + 1} to {last + 4} are neither"):
            list(history.blocks(topic.tp, last - 3, last + 8))


@pytest.mark.parametrize("count", [7, 10])  # a file is full with the last record, or is not
def test_nothing_is_missing_when_retention_took_all_the_log(stack, tmp_path, count):
    topic, url = Topic(stack.kafka), str(tmp_path)
    topic.send(count)
    expected = topic.records()
    with Log(topic.kafka) as log:  # the mark is there a moment after the commit was answered
        until("the commit's mark", lambda: log.range(topic.tp)[1] == count + 1, 60)
    archived(topic, url)
    archive = Archive(url)
    with History(archive, topic.kafka) as history:
        end = history.end(topic.tp)
        topic.trim(end)  # the commit's mark is gone with the records
        assert history.begin(topic.tp) == 0
        assert read(history, topic, 0, end - 1) == expected
        assert archived(topic, url).records == 0
        topic.send(3)
        assert archived(topic, url).records == 3
        assert read(history, topic, 0, history.end(topic.tp) - 1)[:count] == expected


def test_a_gap_in_the_archive_is_filled_from_the_log(topic, tmp_path):
    expected, url = topic.records(), str(tmp_path)
    archived(topic, url)
    archive = Archive(url)
    file = archive.files(*topic.tp)[2]
    (tmp_path / file.path).unlink()
    with History(archive, topic.kafka) as history:
        assert history.begin(topic.tp) == 0
        assert read(history, topic, 0, history.end(topic.tp) - 1) == expected


def test_a_topic_made_anew_is_not_joined_to_the_old_one(topic, tmp_path):
    url = str(tmp_path)
    archived(topic, url)
    fresh = Topic(topic.kafka)
    fresh.send(2)
    (tmp_path / topic.name).rename(tmp_path / fresh.name)
    with pytest.raises(Terminal, match="the topic was made anew"):
        archived(fresh, url)


def test_an_archive_that_differs_from_the_log_is_found(topic, tmp_path):
    other = Topic(topic.kafka)
    other.send(60)
    archived(topic, str(tmp_path))
    archive = Archive(str(tmp_path))
    with Log(topic.kafka) as log:
        same = prove(archive, log, topic.tp)
        assert same.proven
        # The same offsets, of another topic.
        log_of_other = _Renamed(log, other)
        assert prove(archive, log_of_other, topic.tp).differs == (0, same.spans[0][1])


class _Renamed(Log):
    """Another topic's log in the place of every topic's."""

    def __init__(self, log: Log, other: Topic) -> None:
        self._real, self._other = log, other

    def range(self, tp):
        return self._real.range(self._other.tp)

    def blocks(self, tp, first, last):
        return self._real.blocks(self._other.tp, first, last)


def test_following_places_files_as_they_fill_or_age(topic, tmp_path):
    url, clock, stop = str(tmp_path), ManualClock(), threading.Event()
    sent: list[int] = []

    def tell(now: Progress) -> None:
        if now.records == 40 and len(sent) == 0:
            topic.send(3)
            sent.append(topic.records()[-1].offset)
        if now.records == 43:
            clock.advance(HOUR_MS / 1000)  # nothing comes any more: the last file gets too old
            if Archive(url).spans(*topic.tp)[-1][1] >= sent[0]:
                stop.set()

    with Log(topic.kafka) as log:
        archiver = Archiver(url, log, CUT, clock)
        archiver.start([topic.name])
        archiver.run(stop, follow=True, tell=tell)
        assert prove(Archive(url), log, topic.tp).records == 43


def test_a_topic_that_is_not_there(stack, tmp_path):
    with Log(stack.kafka) as log, pytest.raises(ConfigError, match="does not exist"):
        Archiver(str(tmp_path), log, CUT, ManualClock()).start(["no.such.topic"])
