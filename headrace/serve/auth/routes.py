"""Every route declares who may call it, or stands in the list of those that all may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from headrace.serve.auth.caller import Calling
from headrace.serve.auth.scopes import SCOPES

#: What anybody may ask: whether the process lives, and the live page's own files, which hold no
#: data. They are not limited, and know no caller.
PUBLIC = frozenset({"/", "/healthz", "/readyz", "/favicon.ico", "/favicon.svg", "/openapi.json"})
#: Mounted folders of such files.
PUBLIC_FOLDERS = ("/assets/",)


@dataclass(frozen=True, slots=True)
class Declared:
    """A route, or a mounted app; ``path`` is the template."""

    methods: tuple[str, ...]
    path: str
    scopes: frozenset[str]

    def __str__(self) -> str:
        return f"{'/'.join(self.methods) or 'any method'} {self.path}"


def public(path: str) -> bool:
    """Whether a path needs no token."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def declared(app: FastAPI) -> Iterator[Declared]:
    """All routes of an app, also those of included routers."""
    for route in iter_route_contexts(app.routes):
        scopes = frozenset(_scopes(getattr(route, "dependant", None)))
        methods = sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"})
        yield Declared(tuple(methods), route.path or "", scopes)


def check(app: FastAPI) -> None:
    """Raise RuntimeError that names every route which is neither public nor asks for a scope."""
    wrong = []
    for route in declared(app):
        unknown = route.scopes - SCOPES.keys()
        if unknown:
            wrong.append(f"{route}: unknown scope {', '.join(sorted(unknown))}")
        elif not (route.scopes or public(route.path) or f"{route.path}/" in PUBLIC_FOLDERS):
            wrong.append(f"{route}: declares no scope and is not public")
    if wrong:
        raise RuntimeError("routes that nobody guards: " + "; ".join(wrong))


def _scopes(dependant: Any) -> Iterator[str]:
    """Scopes that the dependencies of a route ask the caller for."""
    for inner in () if dependant is None else dependant.dependencies:
        if isinstance(inner.call, Calling):
            yield from inner.parent_oauth_scopes or ()
            yield from inner.own_oauth_scopes or ()
        yield from _scopes(inner)
