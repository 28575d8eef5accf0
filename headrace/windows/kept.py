"""What is kept of one key: its sessions, by the other fields of their keys, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgpack

from headrace.windows.intervals import Session, Value

Rest = tuple[Value, ...]


@dataclass(slots=True)
class Kept:
    """``newest`` is the greatest event time of the key so far, in ms; None: no event yet."""

    newest: int | None = None
    sessions: dict[Rest, list[Session]] = field(default_factory=dict)

    def prune(self, horizon: int, gap: int) -> None:
        """Let go of the sessions that no event at or after ``horizon`` can touch."""
        for rest, sessions in list(self.sessions.items()):
            left = [one for one in sessions if one.end + gap >= horizon]
            if left:
                self.sessions[rest] = left
            else:
                del self.sessions[rest]


def pack(kept: Kept) -> bytes:
    """As bytes of MessagePack, the same ones for the same content."""
    groups = sorted(kept.sessions.items(), key=_place)
    try:
        packed: bytes = msgpack.packb((kept.newest, groups))
    except OverflowError:
        wide = [(rest, [_wide(one) for one in ones]) for rest, ones in groups]
        packed = msgpack.packb((kept.newest, wide))
    return packed


def unpack(data: bytes | None) -> Kept:
    """What :func:`pack` made, or nothing kept."""
    if data is None:
        return Kept()
    newest, groups = msgpack.unpackb(data, use_list=False, ext_hook=_narrow)
    return Kept(newest, {rest: [*map(Session._make, ones)] for rest, ones in groups})


def _place(group: tuple[Rest, list[Session]]) -> str:
    return repr(group[0])


#: MessagePack has 64 bits for an integer, sums of decimals may have more.
_BITS, _CODE, _BYTES = 63, 1, 17


def _wide(one: Session) -> Session:
    return one._replace(values=tuple(map(_extended, one.values)))


def _extended(value: Value) -> Value:
    if type(value) is int and value.bit_length() > _BITS:
        return msgpack.ExtType(_CODE, value.to_bytes(_BYTES, "big", signed=True))
    return value


def _narrow(_: int, data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)
