"""What the serving process answers from Redis, declared by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.topology.base import KeyspaceName, Model, Name
from headrace.topology.panels import Panel


class ReadModel(Model):
    """What there is of one entity: keyspaces that share their ids."""

    keyspaces: Annotated[tuple[KeyspaceName, ...], Field(min_length=1)]
    doc: str = ""
    owner: str = ""


class Serve(Model):
    """Views by name, the features of a person, and the panels of the live page in their order."""

    views: dict[Name, ReadModel] = Field(default_factory=dict)
    features: ReadModel | None = None
    panels: dict[Name, Panel] = Field(default_factory=dict)
