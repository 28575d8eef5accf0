"""An agent that counts by key, its keyspace, its read model and its test."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import ConfigError
from headrace.scaffold.edit import has, insert
from headrace.scaffold.files import TOPOLOGY, Scaffold, filled
from headrace.scaffold.source import Topic
from headrace.testing import Project

#: Where entries go, and the template of each.
_ENTRIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("agents",), "agent.yaml.in"),
    (("redis", "keyspaces"), "keyspace.yaml.in"),
    (("serve", "views"), "read_model.yaml.in"),
)


def agent(root: Path, name: str, topic: str | None) -> Scaffold:
    """Counts a topic's events by the topic's key, in a hash in Redis."""
    text = (root / TOPOLOGY).read_text(encoding="utf-8")
    for section, _ in _ENTRIES:
        if has(text, (*section, name)):
            raise ConfigError(f"{'.'.join(section)}.{name}: is there already; choose another name")
    source = Topic(Project(root), topic)
    values = {
        "name": name,
        "topic": source.name,
        "key": source.key,
        "event": source.event_text,
    }
    for section, template in _ENTRIES:
        text = insert(text, section, filled(template, values))
    new = {
        f"agents/{name}.py": filled("agent.py.in", values),
        f"tests/test_{name}.py": filled("test_agent.py.in", values),
    }
    if not (root / "agents" / "__init__.py").exists():
        new = {"agents/__init__.py": "", **new}
    return Scaffold(new, text)
