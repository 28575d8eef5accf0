"""A declaration of a loaded topology, made ready."""

from __future__ import annotations

from headrace.declared.plan import Plan, plan
from headrace.declared.shape import Shape
from headrace.errors import ConfigError
from headrace.schema import Registry
from headrace.topology.model import Topology


def planned(topology: Topology, registry: Registry, name: str) -> Plan:
    """The plan of a declaration; raises ConfigError when there is none of the name."""
    if name not in topology.declared:
        known = ", ".join(topology.declared) or "nothing"
        raise ConfigError(f"topology.yaml declares no {name!r}; declared: {known}")
    declared = topology.declared[name]
    shapes = {t: Shape.of(registry.latest(topology.topics[t].schema_)) for t in declared.from_}
    made, notes = plan(name, declared, shapes)
    if notes:
        raise ConfigError(f"declared.{name}: {notes[0].wrong}; {notes[0].fix}")
    return made
