"""The old system's PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.errors import ConfigError, Transient
from headrace.security.secret import redacted

CONNECT_TIMEOUT_S = 10


def rows(address: str, sql: str) -> list[Mapping[str, Any]]:
    """The rows of a query, in a transaction that can write nothing. Raises as ``_connected``."""
    with _connected(address) as connection:
        connection.read_only = True
        return list(connection.execute(sql.encode()))


def execute(address: str, statements: str) -> None:
    """Run statements, all or none. Raises as ``_connected``."""
    with _connected(address) as connection:
        connection.execute(statements.encode())


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A connection whose transaction is committed unless something is raised.

    Raises ConfigError for what the server refuses, or when psycopg is not installed; Transient when
    the server is away.
    """
    try:
        import psycopg
        from psycopg.rows import dict_row
    except ImportError as error:
        raise ConfigError("psycopg is missing: pip install 'headrace[postgres]'") from error
    try:
        with psycopg.connect(
            address, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S
        ) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Transient(f"postgres at {redacted(address)}: {str(error).strip()}") from error
    except psycopg.Error as error:
        raise ConfigError(f"postgres refuses it: {str(error).strip()}") from error
