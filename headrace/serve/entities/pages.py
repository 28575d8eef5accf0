"""Pages of a sorted set: a cursor names the last member that was shown."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import orjson

from headrace.serve.problems import Problem

Member = tuple[str, float]


def cut(
    members: Sequence[Member], after: Member | None, limit: int
) -> tuple[list[Member], str | None]:
    """The members behind a member, in falling order of scores, and the cursor of the next page.

    A member whose score changes meanwhile may be shown twice or not at all; no other is.
    """
    if after is None:
        rest = list(members)
    else:
        last = (-after[1], after[0])
        rest = [member for member in members if (-member[1], member[0]) > last]
    page = rest[:limit]
    return page, _text(page[-1]) if len(rest) > limit else None


def _text(member: Member) -> str:
    return urlsafe_b64encode(orjson.dumps([member[1], member[0]])).decode().rstrip("=")


def parse(cursor: str) -> Member:
    """The member of a cursor; raises Problem."""
    try:
        score, name = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return str(name), float(score)
    except (binascii.Error, ValueError, TypeError) as error:
        detail = f"cursor: {cursor!r} is none that an answer has given"
        raise Problem(422, "invalid-cursor", detail, parameter="cursor") from error
