"""Each record is in exactly one file with all its bytes, wherever the writer was killed."""

from __future__ import annotations

import shutil
import uuid
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.archive.cut import Cut
from headrace.archive.names import UNFINISHED, File
from headrace.archive.reader import Archive
from headrace.archive.store import Store
from headrace.archive.writer import PartitionWriter
from headrace.errors import Terminal
from tests.archive.records import HOUR_MS, START_MS, TP, Record, block_of, logs, records_of

CUT = Cut(rows=5, nbytes=60, slot_ms=HOUR_MS, group_rows=2, group_bytes=20)


class Killed(Exception):
    """The process is gone: nothing that would run after it may."""


class Dying(Store):
    """A store whose process is killed at the n-th thing it does, before or after doing it."""

    def __init__(self, url: str, at: int, after: bool) -> None:
        super().__init__(url)
        self._left = at
        self._after = after

    def _step(self) -> bool:
        self._left -= 1
        return self._left < 0

    def create(self, path: str):
        if self._step() and not self._after:
            raise Killed
        made = super().create(path)
        if self._left < 0:
            raise Killed
        return made

    def place(self, unfinished: str, file: File) -> None:
        if self._step() and not self._after:
            raise Killed
        super().place(unfinished, file)
        if self._left < 0:
            raise Killed


def written(
    store: Store, log: list[Record], sizes: list[int], *, end: int = 0, finish: bool = True
) -> None:
    """What the archiver does with a partition up to ``end``: go on where the archive ends."""
    store.sweep(TP.topic)
    files = Archive(store.url).files(*TP)
    position = files[-1].last + 1 if files else 0
    rest = [record for record in log if record.offset >= position]
    folder = files[-1].path.rpartition("/")[0] if files else None
    writer = PartitionWriter(store, TP, position, CUT, folder=folder)
    turn = 0
    while rest:
        size = sizes[turn % len(sizes)]
        part, rest, turn = rest[:size], rest[size:], turn + 1
        writer.take(block_of(part, writer.position))
    writer.reach(end)
    if finish:
        writer.finish()


def held(archive: Archive, first: int, last: int) -> list[Record]:
    blocks = list(archive.blocks(*TP, first, last))
    for one, other in pairwise(blocks):
        assert other.first == one.last + 1
    if blocks:
        assert blocks[0].first == first
    return [record for block in blocks for record in records_of(block)]


sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)
#: Each example waits for the disk a few times.
FEWER = settings(max_examples=settings().max_examples // 3)


@pytest.fixture(scope="module", params=["memory", "local"])
def url(request, tmp_path_factory):
    """A store's address; ``{}`` is for a folder of its own."""
    if request.param == "memory":
        return "memory://{}"
    return f"{tmp_path_factory.mktemp('archives')}/{{}}"


@FEWER
@given(log=logs(), sizes=sizes, data=st.data())
def test_any_range_is_read_back_as_it_was(url, log, sizes, data):
    store = Store(url.format(uuid.uuid4()))
    written(store, log, sizes)
    archive = Archive(store.url)
    if not log:
        assert archive.spans(*TP) == []
        return
    end = log[-1].offset
    assert archive.spans(*TP) == [(0, end)]
    assert held(archive, 0, end) == log
    first = data.draw(st.integers(0, end))
    last = data.draw(st.integers(first, end))
    assert held(archive, first, last) == [r for r in log if first <= r.offset <= last]


@FEWER
@given(
    log=logs(),
    sizes=sizes,
    deaths=st.lists(st.tuples(st.integers(0, 8), st.booleans(), sizes), max_size=5),
)
def test_killed_anywhere_it_writes_the_same_files(url, log, sizes, deaths):
    undisturbed, disturbed = url.format(uuid.uuid4()), url.format(uuid.uuid4())
    written(Store(undisturbed), log, sizes)
    for at, after, other_sizes in deaths:
        try:
            written(Dying(disturbed, at, after), log, other_sizes, finish=True)
        except Killed:
            continue
    written(Store(disturbed), log, sizes)
    files = Store(disturbed).files(TP.topic)
    assert files == Store(undisturbed).files(TP.topic)
    assert held(Archive(disturbed), 0, log[-1].offset if log else -1) == log


@FEWER
@given(
    log=logs(),
    ends=st.lists(st.tuples(st.integers(0, 24), st.booleans()), max_size=5).map(sorted),
    sizes=sizes,
)
def test_run_again_and_again_it_goes_on_where_it_was(url, log, ends, sizes):
    """Also when all that came since are marks of transactions, which are no records."""
    store = Store(url.format(uuid.uuid4()))
    behind = log[-1].offset + 9 if log else 0
    for count, marks in [*ends, (len(log), True)]:
        end = log[count].offset if count < len(log) else behind
        written(store, log[:count], sizes, end=end if marks else 0)
    if log:
        assert Archive(store.url).spans(*TP) == [(0, behind - 1)]
        assert held(Archive(store.url), 0, behind - 1) == log
        assert held(Archive(store.url), log[-1].offset + 1, behind - 1) == []


def test_nobody_sees_an_unfinished_file_and_the_next_run_removes_it(url):
    store = Store(url.format(uuid.uuid4()))
    log = [Record(i, START_MS, b"k", b"v") for i in range(3)]
    written(store, log, [3], finish=False)
    (left,) = store._paths(TP.topic)
    assert UNFINISHED.search(left)
    assert Archive(store.url).spans(*TP) == []
    written(store, log, [3])
    assert [file.path for file in store.files(TP.topic)] == store._paths(TP.topic)


def test_files_lie_by_the_hour_of_their_first_record(tmp_path):
    records = [Record(0, START_MS, b"k", b"v"), Record(1, START_MS + HOUR_MS, b"k", b"v")]
    written(Store(str(tmp_path)), records, [2])
    assert [file.path for file in Store(str(tmp_path)).files(TP.topic)] == [
        "shop.orders/date=2026-03-01/hour=11/3-0-0.parquet",
        "shop.orders/date=2026-03-01/hour=12/3-1-1.parquet",
    ]


def test_a_second_writer_of_the_same_partition_is_stopped(url):
    store = Store(url.format(uuid.uuid4()))
    one, other = (PartitionWriter(store, TP, 0, CUT) for _ in range(2))
    log = [Record(i, START_MS, b"k", b"v") for i in range(4)]
    other.take(block_of(log, 0))
    one.take(block_of(log[:3], 0))
    one.finish()
    with pytest.raises(Terminal, match="another 'headrace archive' writes this topic"):
        other.finish()
    other.abandon()
    assert Archive(store.url).spans(*TP) == [(0, 2)]
    assert len(store._paths(TP.topic)) == 1


@pytest.fixture
def whole(tmp_path) -> Path:
    """The one file of an archive of 12 records."""
    cut = Cut(rows=100, nbytes=10_000, slot_ms=HOUR_MS, group_rows=6)
    writer = PartitionWriter(Store(str(tmp_path)), TP, 0, cut)
    log = [Record(i, START_MS + i, b"k%d" % (i % 3), b"value %d" % i) for i in range(12)]
    writer.take(block_of(log, 0))
    (file,) = writer.finish()
    return tmp_path / file.path


def test_no_bit_can_flip_unnoticed(whole, tmp_path):
    archive, good = Archive(str(tmp_path)), whole.read_bytes()
    expected = held(archive, 0, 11)
    unnoticed = []
    for at in range(len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 1 << at % 8
        whole.write_bytes(damaged)
        with suppress(Terminal):
            assert held(archive, 0, 11) == expected
            unnoticed.append(at)
    assert unnoticed == [0, 1, 2, 3]  # Parquet's name at the front, which says nothing


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_file_cut_short_is_named(whole, tmp_path, size):
    whole.write_bytes(whole.read_bytes()[:size])
    with pytest.raises(Terminal, match=rf"{whole.relative_to(tmp_path)}: damaged"):
        held(Archive(str(tmp_path)), 0, 11)


def test_a_file_under_another_name_is_named(whole, tmp_path):
    renamed = whole.with_name("3-0-12.parquet")
    whole.rename(renamed)
    with pytest.raises(Terminal, match=r"3-0-12\.parquet: .* headrace\.last '11', not '12'"):
        held(Archive(str(tmp_path)), 0, 12)


def test_a_missing_file_is_a_gap_that_is_named(url):
    store = Store(url.format(uuid.uuid4()))
    log = [Record(i, START_MS, b"k", b"v") for i in range(15)]
    written(store, log, [15])
    store.remove(store.files(TP.topic)[1].path)
    archive = Archive(store.url)
    assert archive.spans(*TP) == [(0, 4), (10, 14)]
    assert len(held(archive, 10, 14)) == 5
    with pytest.raises(Terminal, match=r"offsets 5 to 14 are not all in it; it has 0 to 4, 10 to"):
        held(archive, 2, 14)


def test_two_files_with_an_offset_in_common_are_named(whole, tmp_path):
    shutil.copy(whole, whole.with_name("3-10-20.parquet"))
    with pytest.raises(Terminal, match=r"3-0-11\.parquet and .*3-10-20\.parquet have offsets in"):
        Archive(str(tmp_path)).spans(*TP)
