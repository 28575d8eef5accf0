"""The serving process: what it answers from Redis, by name, and whom it answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.topology.auth import Auth, Cors, Rate
from headrace.topology.base import KeyspaceName, Model, Name
from headrace.topology.panels import Panel


class ReadModel(Model):
    """What there is of one entity: keyspaces that share their ids."""

    keyspaces: Annotated[tuple[KeyspaceName, ...], Field(min_length=1)]
    doc: str = ""
    owner: str = ""


class Serve(Model):
    """Views by name, the features of a person, and the panels of the live page in their order.

    Without ``auth`` only this machine may ask.
    """

    views: dict[Name, ReadModel] = Field(default_factory=dict)
    features: ReadModel | None = None
    panels: dict[Name, Panel] = Field(default_factory=dict)
    auth: Auth | None = None
    #: How often each client may ask: a token's subject, or an address where nobody has one.
    rate_limits: Rate | None = None
    cors: Cors | None = None
