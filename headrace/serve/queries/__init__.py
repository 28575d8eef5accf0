"""Declared questions as SQL: identifiers come from the topology, values are bound parameters."""

from headrace.serve.queries.client import Views
from headrace.serve.queries.query import Query

__all__ = ["Query", "Views"]
