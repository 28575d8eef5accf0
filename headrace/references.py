"""Functions of a project, by the names that its topology gives."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from headrace.errors import ConfigError


def imported(what: str, reference: str) -> Callable[..., Any]:
    """The function that ``module:function`` names; ``what`` it is, for errors.

    Raises ConfigError saying what is missing.
    """
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{what} {reference!r}: can't import {module_name!r}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ConfigError(f"{what} {reference!r}: {module_name!r} has no function {name!r}")
    return found  # type: ignore[no-any-return]
