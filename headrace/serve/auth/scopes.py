"""The scopes that tokens carry, and what a tenant's callers may do with each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Tenancy(Enum):
    """What a caller who belongs to a tenant gets under a scope."""

    FILTERED = "rows of the tenant"  # the routes answer by Caller.rows_of
    SHARED = "what everybody gets"  # declarations, no data
    REFUSED = "nothing"  # data of all tenants, with nothing to tell them apart by


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope."""

    doc: str
    tenancy: Tenancy


SCOPES = MappingProxyType(
    {
        "metrics:read": Scope("metrics, funnels and cohorts", Tenancy.FILTERED),
        "features:read": Scope("features of persons", Tenancy.REFUSED),
        "views:read": Scope("read models by id", Tenancy.REFUSED),
        "catalog:read": Scope("what the topology declares", Tenancy.SHARED),
        "pipeline:read": Scope("state of the pipeline, samples and traces", Tenancy.REFUSED),
        "events:write": Scope("send events", Tenancy.REFUSED),
        "schemas:read": Scope("look up schemas and judge new ones", Tenancy.SHARED),
        "schemas:write": Scope("register schemas", Tenancy.REFUSED),
    }
)

#: For callers who belong to no tenant, where tokens name one: they see the rows of all.
ALL_TENANTS = "tenants:all"
