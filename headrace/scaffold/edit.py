"""Entries into ``topology.yaml`` by inserting lines: every other byte stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from headrace.errors import ConfigError

Path = Sequence[str]
STEP = 2


def has(text: str, path: Path) -> bool:
    """Whether there is something at a path."""
    value = yaml.safe_load(text)
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def insert(text: str, section: Path, entry: str) -> str:
    """Put an entry (YAML of one key, as at the left margin) at the end of a section.

    Sections that are missing are made. Raises ConfigError where the section is written on one line,
    and where the result would not be the old document and the entry.
    """
    node, depth = _deepest(text, section)
    missing = section[depth:]
    indent = _indent(node, depth)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    made = []
    for key in missing:
        made.append(" " * indent + f"{_quoted(key)}:\n")
        indent += STEP
    made += [" " * indent + line if line.strip() else line for line in entry.splitlines(True)]
    at = _end(lines, node)
    if depth == 0:  # sections stand apart
        made.insert(0, "\n")
    result = "".join([*lines[:at], *made, *lines[at:]])
    _compare(text, result, section, entry)
    return result


def _deepest(text: str, section: Path) -> tuple[yaml.MappingNode, int]:
    """The mapping that is there of a path, and how many of its keys lead to it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("topology.yaml: is no mapping; begin with 'headrace new project'")
    for depth, key in enumerate(section):
        inner = next((v for k, v in node.value if k.value == key), None)
        if inner is None:
            return node, depth
        if not isinstance(inner, yaml.MappingNode) or inner.flow_style:
            raise ConfigError(
                f"topology.yaml:{inner.start_mark.line + 1}: {'.'.join(section[: depth + 1])}: "
                f"is not written as a block, an entry a line; write it so, and try again"
            )
        node = inner
    return node, len(section)


def _indent(node: yaml.MappingNode, depth: int) -> int:
    return node.value[0][0].start_mark.column if node.value else depth * STEP


def _end(lines: Sequence[str], node: yaml.Node) -> int:
    """The line behind the last one that has something of a node."""
    last = node
    while isinstance(last, yaml.CollectionNode) and last.value and not last.flow_style:
        inner = last.value[-1]
        last = inner[1] if isinstance(inner, tuple) else inner
    mark = last.end_mark
    end = mark.line + (1 if mark.column else 0)
    while end > 0 and end <= len(lines) and not lines[end - 1].strip():
        end -= 1
    return end


def _quoted(key: str) -> str:
    return key if key.replace("_", "").isalnum() else f'"{key}"'


def _compare(old: str, new: str, section: Path, entry: str) -> None:
    expected: Any = yaml.safe_load(old)
    at = expected
    for key in section:
        at = at.setdefault(key, {})
    at.update(yaml.safe_load(entry))
    if yaml.safe_load(new) != expected:
        raise ConfigError(
            f"topology.yaml: can't add an entry to {'.'.join(section)} without changing others; "
            f"add it by hand:\n{entry}"
        )
