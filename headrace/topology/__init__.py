"""The topology: the one source of truth, read from ``topology.yaml``."""

from headrace.topology.loader import FILE, examine, load
from headrace.topology.model import Topology
from headrace.topology.problem import Problem

__all__ = ["FILE", "Problem", "Topology", "examine", "load"]
