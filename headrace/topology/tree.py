"""YAML with positions: plain values, and for each path the line and column it stands at."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import yaml

from headrace.topology.problem import Problem

Path = tuple[str | int, ...]
_ENV = re.compile(r"\$\{([^}]*)\}")
_ENV_NAME = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
MAX_DEPTH = 64
#: An alias stands for a copy of what it names: a few lines can stand for billions of values.
MAX_NODES = 100_000


def dotted(path: Path) -> str:
    """``('topics', 'shop.orders', 'key')`` as ``topics."shop.orders".key``."""
    parts = [f'"{p}"' if isinstance(p, str) and "." in p else str(p) for p in path]
    return ".".join(parts) or "(top)"


class Tree:
    """Values of a YAML document with the position of every key and item."""

    def __init__(self, file: str, text: str, environ: Mapping[str, str] = os.environ) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._environ = environ
        self._marks: dict[Path, tuple[int, int]] = {(): (1, 1)}
        self._nodes = 0
        self.value: Any = None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._marks[()] = at
            self.problem((), None, f"not YAML: {error.problem}", "check indentation and quotes")
        except yaml.YAMLError as error:
            self.problem((), None, f"not YAML: {error}", "save the file as UTF-8 text")
        except RecursionError:
            self.problem((), None, "nested too deeply", "close brackets that stay open")
        else:
            if node is not None:
                self.value = self._build(node, ())

    def problem(self, path: Path, value: Any, wrong: str, fix: str) -> None:
        """Note a problem at a path; the nearest known ancestor gives the position."""
        at = path
        while at not in self._marks:
            at = at[:-1]
        line, column = self._marks[at]
        self.problems.append(Problem(self.file, line, column, dotted(path), value, wrong, fix))

    def get(self, path: Path) -> Any:
        """The value at a path; None where there is none."""
        value = self.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def _build(self, node: yaml.Node, path: Path) -> Any:
        self._marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if len(path) > MAX_DEPTH:
            self.problem(path, None, "nested too deeply", "use no recursive anchors")
            return None
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self.problem(path, None, f"more than {MAX_NODES:,} values", "use fewer aliases")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            at = (*path, key)
            if key in result:
                line = key_node.start_mark.line + 1
                column = key_node.start_mark.column + 1
                self.problems.append(
                    Problem(
                        self.file, line, column, dotted(at), key,
                        f"the key stands twice, first on line {self._marks[at][0]}",
                        "remove or rename one of them",
                    )
                )  # fmt: skip
                continue
            self._marks[at] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self._build(value_node, at)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
            # PyYAML's constructors take a tag's word for what its text is.
            what = f"not a value of YAML: {node.tag}: {error}"
            self.problem(path, node.value, what, "put it in quotes, without a tag")
            return None
        return self._substitute(value, path) if isinstance(value, str) else value

    def _substitute(self, text: str, path: Path) -> str:
        def one(match: re.Match[str]) -> str:
            name = _ENV_NAME.fullmatch(match[1])
            if name is None:
                self.problem(path, text, f"{match[0]!r} is not a reference", "write ${env:NAME}")
                return match[0]
            if name[1] not in self._environ:
                self.problem(
                    path, text, f"environment variable {name[1]!r} is not set", f"set {name[1]}"
                )
                return match[0]
            return self._environ[name[1]]

        return _ENV.sub(one, text)
