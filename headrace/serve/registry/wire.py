"""What goes over the wire: requests, errors and the content type of Confluent's API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
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


def install(app: FastAPI) -> None:
    """Give every error of the app Confluent's form: ``error_code`` and ``message``."""

    def answer(status: int, code: int, message: str) -> Json:
        return Json({"error_code": code, "message": message}, status)

    @app.exception_handler(RegistryError)
    def on_registry_error(_: Request, error: RegistryError) -> Json:
        return answer(error.status, error.code, str(error))

    @app.exception_handler(HTTPException)
    def on_http_error(_: Request, error: HTTPException) -> Json:
        return answer(
            error.status_code, error.status_code, f"HTTP {error.status_code}: {error.detail}"
        )

    @app.exception_handler(RequestValidationError)
    def on_bad_request(_: Request, error: RequestValidationError) -> Json:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(422, 422, f"{where}: {first['msg']}")

    @app.exception_handler(ConfigError)
    def on_broken_store(_: Request, error: ConfigError) -> Json:
        return answer(500, 50001, f"Error in the backend data store: {error}")
