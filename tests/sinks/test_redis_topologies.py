"""The Redis sink on a real cluster and behind a real sentinel."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import polars as pl
import pytest
from redis._parsers.base import BaseParser

from headrace.block import TopicPartition
from headrace.delivery.retry import retry
from headrace.errors import Behind, HeadraceError, Terminal, Transient
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Kind, RedisOps, Writes
from sinks.redis.errors import classify
from sinks.redis.keys import Keys
from sinks.redis.pack import chunks
from sinks.redis.writer import PIPELINE, RedisSink
from tests.security.acl import redis_rules
from tests.sinks.place import TOPIC, counts, declare, span
from tests.sinks.redis_servers import PATIENCE_S, Cluster, Server, Watched, living, until
from tests.stack.nobody import nobody_listens

pytestmark = pytest.mark.services

#: Enough that their slots are on all masters.
PARTITIONS = range(6)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with living(Cluster(tmp_path_factory.mktemp("cluster"))) as made:
        made.form(3)
        yield made


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with living(Watched(tmp_path)) as made:
        made.form()
        yield made


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    return declare(tmp_path)


@asynccontextmanager
async def started(topology: Topology, url: str) -> AsyncIterator[RedisSink]:
    made = RedisSink(topology, url)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def sink(cluster: Cluster, topology: Topology) -> AsyncIterator[RedisSink]:
    async with started(topology, cluster.url) as made:
        yield made


@pytest.fixture
async def behind_sentinel(watched: Watched, topology: Topology) -> AsyncIterator[RedisSink]:
    async with started(topology, watched.url) as made:
        yield made


def tp(partition: int) -> TopicPartition:
    return TopicPartition(TOPIC, partition)


def marked(block: BlockRange) -> Writes:
    """Every record once to the counters."""
    return Writes(redis=(counts(block),))


def held(server: Server, topology: Topology, partition: int = 0) -> Counter[int]:
    """Offset → how often it was applied, as one server says."""
    key = Keys(topology.redis.prefix).data(partition, "counts", "all")
    return Counter({int(f): int(n) for f, n in server.client.hgetall(key).items()})


def once(*blocks: BlockRange) -> Counter[int]:
    return Counter(offset for block in blocks for offset in range(block.first, block.last + 1))


async def persist(sink: RedisSink, block: BlockRange, writes: Writes) -> int | None:
    """Apply as the delivery does: again until it is no longer Transient, at most 15 s."""
    async with asyncio.timeout(PATIENCE_S):
        return await retry(str(block), lambda: sink.apply(block, writes))


async def attempt(sink: RedisSink, block: BlockRange, writes: Writes) -> bool:
    """Whether one try at a block was successful."""
    try:
        return await sink.apply(block, writes) == block.last
    except Transient:
        return False


# --- Redis Cluster ---


async def test_partitions_are_on_all_masters_and_repeated_blocks_change_nothing(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    async def partition(number: int) -> None:
        for first in (0, 10):
            block = span(first, first + 9, number)
            for _ in range(2):
                assert await sink.apply(block, marked(block)) == block.last

    await asyncio.gather(*map(partition, PARTITIONS))
    owners = {p: cluster.owner(Keys(topology.redis.prefix).fence(p, TOPIC)) for p in PARTITIONS}
    assert len({owner.port for owner in owners.values()}) >= 3
    for number, owner in owners.items():
        assert held(owner, topology, number) == once(span(0, 19))


async def test_a_user_with_the_documented_acl_is_enough(cluster: Cluster, topology: Topology):
    rule = f"{redis_rules()['worker']} +cluster|slots +command".replace(
        "hr:", f"{topology.redis.prefix}:"
    )
    for node in cluster.nodes:
        node.call("ACL", "SETUSER", "worker", "on", ">p@ss", *rule.split())
    url = cluster.url.replace("://", "://worker:p%40ss@")
    async with started(topology, url) as sink:
        for number in PARTITIONS:
            block = span(0, 9, number)
            assert await sink.apply(block, marked(block)) == block.last
        marks = await sink.watermarks([tp(number) for number in PARTITIONS])
    assert set(marks.values()) == {Mark(9)}


async def test_watermarks_of_partitions_on_all_masters_in_one_call(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    for number in PARTITIONS:
        await sink.apply(span(0, number, number), NOTHING)
    asked = [tp(number) for number in reversed(PARTITIONS)]
    expected = {tp(number): Mark(number) for number in PARTITIONS}
    assert await sink.watermarks([*asked, tp(77)]) == {**expected, tp(77): Mark(-1)}
    async with started(topology, cluster.url) as fresh:
        assert await fresh.watermarks(asked) == expected


async def test_a_block_of_more_chunks_than_one_pipeline(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    n = 12_000
    frame = pl.DataFrame({"id": [f"u{i}" for i in range(n)]}).with_columns(
        field=pl.lit("n"), delta=pl.lit(1, pl.Int64)
    )
    writes = Writes(redis=(RedisOps(Kind.ADD, "counts", frame),))
    keys = Keys(topology.redis.prefix)
    assert len(chunks(writes, keys, topology.redis.keyspaces, span(0, 0, 1))) > PIPELINE
    for _ in range(2):
        await sink.apply(span(0, 9, 1), writes)
    client = cluster.owner(keys.fence(1, TOPIC)).client
    with client.pipeline(transaction=False) as pipeline:
        for i in range(n):
            pipeline.hget(keys.data(1, "counts", f"u{i}"), "n")
        assert set(pipeline.execute()) == {"1"}


async def test_a_refusal_is_told_apart_in_a_cluster_too(sink: RedisSink, cluster: Cluster):
    for first in (0, 10):
        await sink.apply(span(first, first + 9), NOTHING)
    with pytest.raises(Terminal, match="STRADDLES done=19 first=15"):
        await sink.apply(span(15, 24), NOTHING)


async def test_a_slot_that_moved_between_blocks_is_followed(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    await sink.apply(span(0, 9), marked(span(0, 9)))
    fence = Keys(topology.redis.prefix).fence(0, TOPIC)
    source, slot = cluster.owner(fence), cluster.slot(fence)
    target = next(node for node in cluster.nodes if node is not source)
    cluster.begin_move(slot, source, target)
    cluster.end_move(slot, source, target)
    assert cluster.owner(fence) is target

    assert await sink.watermarks([tp(0)]) == {tp(0): Mark(9)}
    await sink.apply(span(0, 9), marked(span(0, 9)))
    assert await persist(sink, span(10, 19), marked(span(10, 19))) == 19
    assert held(target, topology) == once(span(0, 19))


async def test_a_slot_that_is_moving_is_followed_or_waited_for(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    keys = Keys(topology.redis.prefix)
    fence, data = keys.fence(2, TOPIC), keys.data(2, "counts", "all")
    await sink.apply(span(0, 9, 2), marked(span(0, 9, 2)))
    source, slot = cluster.owner(fence), cluster.slot(fence)
    target = next(node for node in cluster.nodes if node is not source)
    cluster.begin_move(slot, source, target)

    cluster.move_keys([fence], source, target)  # the data is still at the source
    with pytest.raises(Transient, match=r"events\[2\]@10-19"):
        await sink.apply(span(10, 19, 2), marked(span(10, 19, 2)))
    assert await sink.watermarks([tp(2)]) == {tp(2): Mark(9)}

    cluster.move_keys([data], source, target)  # the slot is open still
    assert await persist(sink, span(10, 19, 2), marked(span(10, 19, 2))) == 19
    cluster.end_move(slot, source, target)
    assert await persist(sink, span(20, 29, 2), marked(span(20, 29, 2))) == 29
    await sink.apply(span(10, 19, 2), marked(span(10, 19, 2)))
    assert held(target, topology, 2) == once(span(0, 29))


async def test_a_slot_that_moves_to_a_new_master_loses_no_block(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    await sink.apply(span(0, 9, 3), marked(span(0, 9, 3)))
    target = cluster.join()  # which the sink has not heard of
    fence = Keys(topology.redis.prefix).fence(3, TOPIC)
    source, slot = cluster.owner(fence), cluster.slot(fence)
    cluster.begin_move(slot, source, target)
    cluster.move_keys([fence], source, target)

    applied = await attempt(sink, span(10, 19, 3), NOTHING)
    assert cluster.ask(target, "HGET", fence, "done") == ("19" if applied else "9")
    cluster.end_move(slot, source, target)
    assert await persist(sink, span(10, 19, 3), NOTHING) == 19
    assert await persist(sink, span(20, 29, 3), marked(span(20, 29, 3))) == 29
    assert await sink.watermarks([tp(3)]) == {tp(3): Mark(29)}
    assert held(target, topology, 3) == once(span(0, 9), span(20, 29))


async def test_masters_that_forgot_the_script_get_it_again(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    for first in (0, 10):
        for number in PARTITIONS:
            block = span(first, first + 9, number)
            assert await persist(sink, block, marked(block)) == block.last
        for node in cluster.nodes:
            node.client.script_flush()
    with pytest.raises(Transient, match="NoScript"):
        await sink.apply(span(20, 29), marked(span(20, 29)))
    await asyncio.gather(
        *(persist(sink, span(20, 29, n), marked(span(20, 29, n))) for n in PARTITIONS)
    )
    for number in PARTITIONS:
        owner = cluster.owner(Keys(topology.redis.prefix).fence(number, TOPIC))
        assert held(owner, topology, number) == once(span(0, 29))


async def test_a_master_that_was_killed_stops_nothing_for_good(
    sink: RedisSink, cluster: Cluster, topology: Topology
):
    def owner(partition: int) -> Server:
        return cluster.owner(Keys(topology.redis.prefix).fence(partition, TOPIC))

    killed = owner(0)
    other = next(number for number in PARTITIONS if owner(number) is not killed)
    for number in (0, other):
        await sink.apply(span(0, 9, number), marked(span(0, 9, number)))
    killed.kill()
    with pytest.raises(Transient, match=r"events\[0\]@10-19"):
        await sink.apply(span(10, 19), marked(span(10, 19)))
    alive = next(node for node in cluster.nodes if node is not killed)
    until("cluster down", lambda: alive.client.cluster("INFO")["cluster_state"] == "fail")
    with pytest.raises(Transient, match=r"(?i)cluster"):
        await sink.apply(span(10, 19, other), marked(span(10, 19, other)))
    with pytest.raises(Transient, match="watermarks"):
        await sink.watermarks([tp(0), tp(other)])

    killed.start()  # without the script
    cluster.wait()
    for number in (0, other):
        block = span(10, 19, number)
        assert await persist(sink, block, marked(block)) == 19
        assert held(owner(number), topology, number) == once(span(0, 19))


async def test_a_cluster_that_is_not_there_is_transient(topology: Topology):
    async with started(topology, f"redis+cluster://127.0.0.1:{nobody_listens()}") as lost:
        with pytest.raises(Transient, match=r"events\[0\]@0-9"):
            await lost.apply(span(0, 9), NOTHING)
        with pytest.raises(Transient, match="watermarks"):
            await lost.watermarks([tp(0)])


# --- Redis Sentinel ---


async def test_a_failover_is_waited_for_and_followed(
    behind_sentinel: RedisSink, watched: Watched, topology: Topology
):
    sink = behind_sentinel
    assert await sink.apply(span(0, 9), marked(span(0, 9))) == 9
    watched.in_step()
    watched.master.kill()
    for _ in range(2):  # the sentinel does not act yet
        with pytest.raises(Transient, match=r"events\[0\]@10-19"):
            await sink.apply(span(10, 19), marked(span(10, 19)))
    with pytest.raises(Transient, match="watermarks"):
        await sink.watermarks([tp(0)])
    assert held(watched.replica, topology) == once(span(0, 9))

    watched.watch()
    assert await persist(sink, span(10, 19), marked(span(10, 19))) == 19
    assert watched.replica.call("ROLE")[0] == "master"
    await sink.apply(span(0, 9), marked(span(0, 9)))
    assert await sink.watermarks([tp(0)]) == {tp(0): Mark(19)}
    assert held(watched.replica, topology) == once(span(0, 19))


async def test_a_tail_that_the_replica_never_had_is_noticed_and_applied_again(
    behind_sentinel: RedisSink, watched: Watched, topology: Topology
):
    sink = behind_sentinel
    blocks = [span(first, first + 9) for first in (0, 10, 20)]
    assert await sink.apply(blocks[0], marked(blocks[0])) == 9
    watched.in_step()
    watched.cut()
    assert await sink.apply(blocks[1], marked(blocks[1])) == 19
    assert held(watched.master, topology) == once(*blocks[:2])
    watched.master.kill()
    watched.watch()
    watched.promoted()

    with pytest.raises(Behind, match=r"events\[0\]@20-29.*done=9 before=19"):
        await persist(sink, blocks[2], marked(blocks[2]))
    assert held(watched.replica, topology) == once(blocks[0])
    assert await sink.watermarks([tp(0)]) == {tp(0): Mark(9)}
    for block in [*blocks, *blocks]:
        await sink.apply(block, marked(block))
    assert await sink.watermarks([tp(0)]) == {tp(0): Mark(29)}
    assert held(watched.replica, topology) == once(*blocks)


async def test_a_master_that_became_a_replica_is_left(
    behind_sentinel: RedisSink, watched: Watched, topology: Topology
):
    sink = behind_sentinel
    old, new = watched.master, watched.replica
    await sink.apply(span(0, 9), marked(span(0, 9)))
    watched.in_step()
    watched.swap()  # which leaves the sink's connection to the old master open
    with pytest.raises(Transient, match=r"READONLY|ReadOnly|now a slave"):
        await sink.apply(span(10, 19), marked(span(10, 19)))
    assert await persist(sink, span(10, 19), marked(span(10, 19))) == 19
    assert held(new, topology) == once(span(0, 19))
    assert old.call("ROLE")[0] == "slave"


@pytest.mark.parametrize(("setting", "value"), [("min-replicas-to-write", 2), ("maxmemory", 1)])
async def test_a_master_that_takes_no_writes_now_changes_nothing_and_is_asked_again(
    behind_sentinel: RedisSink, watched: Watched, topology: Topology, setting: str, value: int
):
    sink = behind_sentinel
    await sink.apply(span(0, 9), marked(span(0, 9)))
    watched.master.client.config_set(setting, value)
    with pytest.raises(Transient, match=r"NOREPLICAS|OOM|OutOfMemory"):
        await sink.apply(span(10, 19), marked(span(10, 19)))
    assert held(watched.master, topology) == once(span(0, 9))
    assert await sink.watermarks([tp(0)]) == {tp(0): Mark(9)}
    watched.master.client.config_set(setting, 0)
    assert await sink.apply(span(10, 19), marked(span(10, 19))) == 19
    assert held(watched.master, topology) == once(span(0, 19))


async def test_closing_closes_the_connections_to_the_sentinel_too(
    watched: Watched, topology: Topology
):
    def connections() -> set[str]:
        return {client["id"] for client in watched.sentinel.client.client_list()}

    before = connections()
    async with started(topology, watched.url) as sink:
        await sink.apply(span(0, 9), NOTHING)
        assert connections() > before
    until("only those from before are left", lambda: connections() <= before)


async def test_a_service_that_no_sentinel_knows_is_transient(watched: Watched, topology: Topology):
    async with started(topology, f"{watched.url}-other") as lost:
        with pytest.raises(Transient, match="No master found for 'mymaster-other'"):
            await lost.apply(span(0, 9), NOTHING)


SCRIPT_6 = "ERR Error running script (call to f_0a): @user_script:77: @user_script: 77: -"


@pytest.mark.parametrize(
    ("reply", "policy"),
    [
        ("READONLY You can't write against a read only replica.", Transient),
        ("OOM command not allowed when used memory > 'maxmemory'.", Transient),
        ("MASTERDOWN Link with MASTER is down", Transient),
        ("CLUSTERDOWN The cluster is down", Transient),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Transient),
        ("MOVED 3999 127.0.0.1:6381", Transient),
        ("ASK 3999 127.0.0.1:6381", Transient),
        ("LOADING Redis is loading the dataset in memory", Transient),
        ("NOSCRIPT No matching script. Please use EVAL.", Transient),
        ("MISCONF Redis is configured to save RDB snapshots", Transient),
        (SCRIPT_6 + "READONLY You can't write against a read only replica.", Transient),
        (SCRIPT_6 + "MISCONF Errors writing to the AOF file", Transient),
        (SCRIPT_6 + "WRONGTYPE Operation against a key", Terminal),
        ("ERR Error running script (call to f_0a): @user_script:9: attempt to call nil", Terminal),
        ("CROSSSLOT Keys in request don't hash to the same slot", Terminal),
        ("BEHIND done=9 before=19", Behind),
    ],
)
def test_replies_as_redis_py_hands_them_on_carry_a_policy(reply: str, policy: type[HeadraceError]):
    assert type(classify(BaseParser.parse_error(reply), "here")) is policy
