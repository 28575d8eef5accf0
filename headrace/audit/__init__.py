"""The audit: every administrative act in an append-only topic, chained by hashes."""

from headrace.audit.entry import Act, Outcome
from headrace.audit.persons import person
from headrace.audit.recording import record, recorded

__all__ = ["Act", "Outcome", "person", "record", "recorded"]
