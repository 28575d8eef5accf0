"""Tests of agents without any service: given events, when run, then rows and keys.

    held = Given({"shop.orders": [placed, paid]}).when(views)
    assert held.redis[0, "order", "o1"]["state"]

``when`` runs the agents as they are promised to be run: blocks cut anywhere, topics in any turn,
crashes between any two writes; the end must be the same. ``headrace.testing.events`` makes events
of any Avro schema; it needs hypothesis, nothing here does. See docs/testing.md.
"""

from headrace.testing.given import Given
from headrace.testing.project import Event, Project, frame, project
from headrace.testing.snapshot import snapshot
from headrace.testing.steps import run, step

__all__ = ["Event", "Given", "Project", "frame", "project", "run", "snapshot", "step"]
