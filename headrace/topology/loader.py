"""Reads ``topology.yaml``: all that is wrong with it at once, or a frozen Topology."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from headrace.schema.registry import AvroSchema
from headrace.topology import checks, schemas
from headrace.topology.model import Topology
from headrace.topology.problem import Problem, error_of
from headrace.topology.tree import Tree

FILE = "topology.yaml"


def load(root: Path | None = None, environ: Mapping[str, str] = os.environ) -> Topology:
    """Read and check the topology of a project folder; raises ConfigError naming every problem."""
    topology, problems = examine(root, environ)
    if topology is None or problems:
        raise error_of(problems)
    return topology


def examine(
    root: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    versions: Mapping[str, AvroSchema] = MappingProxyType({}),
) -> tuple[Topology | None, list[Problem]]:
    """Read and check; returns the topology if its shape is right, and all problems found.

    Declarations are expanded with each schema's newest version, or with the one in ``versions``.
    """
    # These compile what the models here say.
    from headrace import process
    from headrace.declared.expand import expand
    from headrace.windows.expand import expand as expand_windows

    root = root or Path.cwd()
    path = root / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None, [_unreadable("there is no such file", "run in the project's folder")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [_unreadable(str(error), "make it readable UTF-8 text")]
    tree = Tree(FILE, text, environ)
    if tree.value is None and tree.problems:
        return None, tree.problems
    topology = _validate(tree)
    if topology is not None:
        newest = schemas.newest(topology, root, versions)
        topology = expand_windows(expand(topology, tree, newest), tree, newest)
        topology = process.expand(topology, tree)
        checks.run(topology, tree, root)
    return topology, sorted(tree.problems, key=lambda p: (p.line, p.column))


def _unreadable(wrong: str, fix: str) -> Problem:
    return Problem(FILE, 1, 1, "(file)", FILE, wrong, fix)


def _validate(tree: Tree) -> Topology | None:
    try:
        return Topology.model_validate(tree.value)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            _explain(tree, entry)
    return None


def _explain(tree: Tree, entry: Any) -> None:
    path = tuple(part for part in entry["loc"] if part != "[key]")
    kind, value = entry["type"], entry["input"]
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        tree.problem(path, value, "unknown key", fix)
    elif kind == "missing":
        tree.problem(path, None, "missing", f"add {path[-1]!r}")
    elif kind == "string_pattern_mismatch":
        pattern = entry["ctx"]["pattern"]
        tree.problem(path, value, "not a legal name", f"use only what matches {pattern}")
    else:
        message = entry["msg"][0].lower() + entry["msg"][1:]
        tree.problem(path, value, "not valid", message)


def _fields(path: tuple[Any, ...]) -> list[str]:
    """Names of the fields that the model takes at a path."""
    model: Any = Topology
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = next(
                (f for name, f in model.model_fields.items() if part in (name, f.alias)), None
            )
            model = field.annotation if field else None
        args = getattr(model, "__args__", ())
        nested = [a for a in args if isinstance(a, type) and issubclass(a, BaseModel)]
        if nested and not (isinstance(model, type) and issubclass(model, BaseModel)):
            is_mapping = getattr(model, "__origin__", None) is dict
            model = _Values(nested[0]) if is_mapping else nested[0]
        elif isinstance(model, _Values):
            model = model.of
    if isinstance(model, _Values):
        model = model.of
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return sorted(f.alias or name for name, f in model.model_fields.items())


class _Values:
    """The values of a mapping: one more path part (the key) leads to the model."""

    def __init__(self, of: type[BaseModel]) -> None:
        self.of = of
