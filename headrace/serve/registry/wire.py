"""What goes over the wire: requests, errors and the content type of Confluent's API."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from headrace.errors import ConfigError
from headrace.schema.registry import AvroSchema

MAX_SCHEMA_CHARS = 1 << 20
AVRO = "AVRO"


class Json(JSONResponse):
    """JSON under the API's own content type, which some clients insist on."""

    media_type = "application/vnd.schemaregistry.v1+json"


class Submitted(BaseModel):
    """A schema as clients send it. Keys of newer clients, such as metadata, are passed over."""

    schema_: Annotated[str, Field(alias="schema", max_length=MAX_SCHEMA_CHARS)]
    schema_type: Annotated[str, Field(alias="schemaType")] = AVRO
    references: list[Any] | None = None


class RegistryError(Exception):
    """An error answer: HTTP status, Confluent's error code, text."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def no_subject(subject: str) -> RegistryError:
    return RegistryError(404, 40401, f"Subject '{subject}' not found.")


def no_version(version: int) -> RegistryError:
    return RegistryError(404, 40402, f"Version {version} not found.")


def no_schema(what: str = "Schema") -> RegistryError:
    return RegistryError(404, 40403, f"{what} not found")


def invalid_schema(reason: str) -> RegistryError:
    return RegistryError(422, 42201, f"Invalid schema: {reason}")


def invalid_version(version: str) -> RegistryError:
    return RegistryError(
        422, 42202,
        f"The specified version '{version}' is not a valid version id. Allowed values are between "
        '[1, 2^31-1] and the string "latest"',
    )  # fmt: skip


def read_only(subject: str) -> RegistryError:
    return RegistryError(
        422, 42205,
        f"Subject {subject} is in read-only mode: this server was started without "
        "--allow-register; add a file and run 'headrace schemas register', or restart it with that",
    )  # fmt: skip


def described(subject: str, schema: AvroSchema) -> dict[str, Any]:
    """A version of a subject; without a schemaType it is Avro."""
    return {
        "subject": subject,
        "version": schema.version,
        "id": schema.id,
        "schema": schema.text,
    }


class RegistryRoute(APIRoute):
    """A route whose errors have Confluent's form: ``error_code`` and ``message``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except RegistryError as error:
                return _error(error.status, error.code, str(error))
            except HTTPException as error:
                status = error.status_code
                return _error(status, status, f"HTTP {status}: {error.detail}")
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                return _error(422, 422, f"{where}: {first['msg']}")
            except ConfigError as error:
                return _error(500, 50001, f"Error in the backend data store: {error}")

        return answer


def registry_router(tag: str, prefix: str = "") -> APIRouter:
    """An empty router of the API."""
    return APIRouter(
        prefix=prefix, tags=[tag], default_response_class=Json, route_class=RegistryRoute
    )


def _error(status: int, code: int, message: str) -> Json:
    return Json({"error_code": code, "message": message}, status)
