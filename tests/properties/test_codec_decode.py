"""Whatever the schema and the records: columns hold what fastavro reads."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from headrace.schema import Codec
from tests.schema import cases

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(0, 60))
def test_columns_are_what_fastavro_reads(seed: int, count: int) -> None:
    maker = cases.Maker(Random(seed))
    spec = maker.record()
    values = [cases.encode(spec, maker.value(spec)) for _ in range(count)]
    codec = Codec(cases.registry(spec), "case")

    frame = codec.decode(cases.block(values))

    assert frame.bad == []
    assert frame.df["_offset"].to_list() == list(range(100, 100 + count))
    assert dict(frame.df.schema) | {c.name: c.dtype for c in codec.schema} == dict(frame.df.schema)
    for got, value in zip(frame.df.to_dicts(), values, strict=True):
        assert cases.row(codec.schema.type, got) == cases.read(spec, value)


@given(SEEDS, st.integers(1, 40))
def test_a_projection_gives_the_same_columns_and_the_same_bad_records(
    seed: int, count: int
) -> None:
    rnd = Random(seed)
    maker = cases.Maker(rnd)
    spec = maker.record()
    values = [cases.encode(spec, maker.value(spec)) for _ in range(count)]
    for place in rnd.sample(range(count), count // 4):
        values[place] = damaged(rnd, values[place])
    names = [field["name"] for field in spec["fields"]]
    chosen = rnd.sample(names, rnd.randint(0, len(names)))

    everything = cases.decode(values, spec)
    some = cases.decode(values, spec, columns=chosen)

    assert some.df.columns == [n for n in everything.df.columns if n in chosen or n[0] == "_"]
    assert some.df.equals(everything.df.select(some.df.columns))
    assert some.bad == everything.bad


def damaged(rnd: Random, value: bytes) -> bytes:
    """``value`` with its body flipped, cut, extended or torn."""
    body = bytearray(value[5:])
    place = rnd.randrange(len(body) + 1)
    match rnd.randrange(4):
        case 0 if body:
            body[place % len(body)] ^= 1 << rnd.randrange(8)
        case 1 if body:
            del body[place % len(body) :]
        case 2:
            body[place:place] = rnd.randbytes(rnd.randint(1, 9))
        case _:
            body += rnd.randbytes(rnd.randint(1, 9))
    return value[:5] + bytes(body)


@given(SEEDS, st.integers(1, 40))
def test_damage_never_reaches_a_neighbour(seed: int, count: int) -> None:
    rnd = Random(seed)
    maker = cases.Maker(rnd)
    spec = maker.record()
    values = [cases.encode(spec, maker.value(spec)) for _ in range(count)]
    hurt = set(rnd.sample(range(count), rnd.randint(1, count)))
    torn = [damaged(rnd, v) if i in hurt else v for i, v in enumerate(values)]
    codec = Codec(cases.registry(spec), "case")

    frame = codec.decode(cases.block(torn))

    bad = {item.index for item in frame.bad}
    assert bad <= hurt
    assert all(item.step == "decode" and item.reason for item in frame.bad)
    good = [i for i in range(count) if i not in bad]
    assert frame.df["_offset"].to_list() == [100 + i for i in good]
    for i, got in zip(good, frame.df.to_dicts(), strict=True):
        assert cases.row(codec.schema.type, got) == cases.read(spec, torn[i])
