"""The documents of features and views, for the API's description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

Position = Annotated[
    dict[str, list[int]],
    Field(
        description="The next offset of each partition, by topic: all before it is in the answer.",
        examples=[{"shop.orders": [120, 98, 131, 104]}],
    ),
]
#: A pair: pydantic's tuples are described in a way that OpenAPI does not know.
Member = Annotated[
    list[str | float],
    Field(min_length=2, max_length=2, description="Member and score", examples=[["p001", 3.5]]),
]
Keyspaces = Annotated[
    dict[str, dict[str, Any] | list[Member]],
    Field(
        description="Fields of each hash; members of each sorted set, the greatest scores first",
        examples=[{"user": {"views": {"1h": 3, "24h": 9}}, "user:recent": [["p001", 1.77e12]]}],
    ),
]
Id = Annotated[str, Field(min_length=1, max_length=256)]
MAX_BATCH = 1_000


class Asked(BaseModel):
    """Whose features."""

    ids: list[Id] = Field(min_length=1, max_length=MAX_BATCH, examples=[["u00001", "u00002"]])


class Features(BaseModel):
    """What is known of one person; empty where nothing is."""

    id: str
    keyspaces: Keyspaces
    position: Position


class OfOne(BaseModel):
    """One of a batch."""

    id: str
    keyspaces: Keyspaces


class Batch(BaseModel):
    """In the order of the ids that were asked for."""

    features: list[OfOne]
    position: Position


class View(BaseModel):
    """One entity of a view."""

    view: str = Field(examples=["order"])
    id: str
    keyspaces: Keyspaces
    position: Position


class Members(BaseModel):
    """A page of a sorted set. ``next`` is the cursor of the page behind it, null on the last."""

    view: str
    id: str
    keyspace: str
    members: list[Member]
    next: str | None
    position: Position
