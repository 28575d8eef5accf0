"""``headrace serve``: the serving process."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from headrace import logs
from headrace.collector import calm
from headrace.errors import ConfigError
from headrace.serve.app import create
from headrace.telemetry.provider import exporting
from sinks.factory import make_key_store

STOP_TIMEOUT_S = 5


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8081,
    allow_register: Annotated[
        bool, typer.Option(help="Let clients register compatible schema versions.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
    log_format: Annotated[
        str | None, typer.Option(help="text or json; else what HEADRACE_LOG says.")
    ] = None,
) -> None:
    """Serve the live page, the read API, intake and the schemas until Ctrl-C or SIGTERM.

    Where topology.yaml declares no serve.auth, everybody may ask, and --host is of this machine.
    """
    logs.configure(log_level, log_format)
    app = create(Path.cwd(), allow_register, host, make_key_store)
    listening = _listen(host, port)
    # uvicorn stops in order on these, and then raises them again for whoever had them before.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        log_config=None,  # its loggers' lines go where all others go
        log_level=log_level,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"Serving on http://{shown}:{listening.getsockname()[1]}")
    calm()  # a look at all that the app is made of would hold every answer up
    with exporting("headrace-serve"):
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"can't listen on {host}, port {port}: {error}; choose another --host or --port"
        ) from error
