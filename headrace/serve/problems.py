"""Errors as RFC 9457 problem documents, for every route that has no form of its own."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from headrace.errors import Transient


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


class Problem(Exception):
    """An error answer; ``extra`` are members of its own, such as the limit that was passed.

    ``kind`` is a stable word for programs (``type`` is ``/problems/<kind>``), ``detail`` says what
    was wrong with this request and what would be right.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.extra = extra


def answer(problem: Problem, instance: str) -> ProblemResponse:
    """The document of a problem; ``instance`` is the path that was asked for."""
    document = {
        "type": f"/problems/{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.extra,
    }
    headers = None if problem.headers is None else dict(problem.headers)
    return ProblemResponse(document, problem.status, headers)


def unavailable(error: Transient) -> Problem:
    """The problem of a store that is away or refuses."""
    return Problem(503, "store-unavailable", str(error), headers={"Retry-After": "1"})


def install(app: FastAPI) -> None:
    """Answer the app's errors with problem documents."""

    @app.exception_handler(Problem)
    def on_problem(request: Request, error: Problem) -> ProblemResponse:
        return answer(error, request.url.path)

    @app.exception_handler(HTTPException)
    def on_http_error(request: Request, error: HTTPException) -> ProblemResponse:
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        status, detail = error.status_code, str(error.detail)
        # Also what clients of the schema registry look for, where no route of it was met.
        registry = {"error_code": status, "message": f"HTTP {status}: {detail}"}
        problem = Problem(status, kind, detail, headers=error.headers, **registry)
        return answer(problem, request.url.path)

    @app.exception_handler(RequestValidationError)
    def on_bad_request(request: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [
            {"field": ".".join(str(part) for part in found["loc"]), "message": found["msg"]}
            for found in error.errors()
        ]
        detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        return answer(Problem(422, "invalid-request", detail, errors=errors), request.url.path)

    @app.exception_handler(Transient)
    def on_transient(request: Request, error: Transient) -> ProblemResponse:
        return answer(unavailable(error), request.url.path)
