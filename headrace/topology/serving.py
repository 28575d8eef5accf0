"""What the serving process answers from Redis, declared by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.topology.base import KeyspaceName, Model, Name


class ReadModel(Model):
    """What there is of one entity: keyspaces that share their ids."""

    keyspaces: Annotated[tuple[KeyspaceName, ...], Field(min_length=1)]
    doc: str = ""
    owner: str = ""


class Serve(Model):
    """Views by name, and the features of a person."""

    views: dict[Name, ReadModel] = Field(default_factory=dict)
    features: ReadModel | None = None
