"""Rings: sums of the last buckets of time, in as many slots."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace.topology.base import Model


class Ring(Model):
    """Sums of the last ``slots`` buckets of ``bucket_s``: fields ``<metric>:<grain><slot>``."""

    bucket_s: Annotated[int, Field(ge=1)]
    slots: Annotated[int, Field(ge=1, le=10_000)]
