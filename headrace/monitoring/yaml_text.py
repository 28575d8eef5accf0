"""YAML as people write it: in the given order, expressions of several lines as blocks."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(value: Any, comment: str) -> str:
    """The document under a comment of one line."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1_000, allow_unicode=True)
    return f"# {comment}\n{text}"
