"""Which field of which event feeds what: columns, views, keyspaces, metrics, panels, alerts.

What the topology and its selects declare is read from them; what an agent, a Python function, reads
is found by running it on samples (``observed``). See docs/lineage.md.
"""

from headrace.lineage.build import trace
from headrace.lineage.graph import Edge, How, Kind, Lineage, Node

__all__ = ["Edge", "How", "Kind", "Lineage", "Node", "trace"]
