"""The one command line. Each command is a module of this package, the table lists them all."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

import headrace
from headrace import logs
from headrace.errors import ConfigError, HeadraceError

#: command → one-line help. The module ``headrace.cli.<command>`` has a function of that name and,
#: if it has commands of its own, their ``app``.
#: Modules load only when their command runs: `headrace up` must not pay for Polars or Faust.
COMMANDS = {
    "new": "Write the skeleton of a view, an agent, a process or a project, with its test",
    "up": "Start the local Kafka, Redis and ClickHouse",
    "down": "Stop the local services",
    "status": "Show services, workers, lag and freshness, what is wrong and what to do",
    "check": "Validate topology.yaml and the schemas it names",
    "plan": "Show what apply would change on the running systems",
    "apply": "Create topics and tables as the topology declares",
    "graph": "Draw the topology as Mermaid or SVG",
    "generate": "Write Prometheus rules and Grafana dashboards from the service levels",
    "schemas": "Compare the schemas with their lock, or lock new versions",
    "acls": "List the Kafka ACLs that a role needs, and no more",
    "run": "Run workers",
    "load": "Generate events and write the ledger of what was sent",
    "watch": "Judge metrics by minute and tell of anomalies",
    "serve": "Serve the live page, the APIs and the schemas",
    "token": "Make a token for `headrace serve`, for development",
    "produce": "Send NDJSON from a file or stdin to a topic",
    "tap": "Show a topic's events as they come, decoded",
    "trace": "Show the path of one event: position, rows, keys, times",
    "audit": "Show, check and anchor the record of administrative acts",
    "sync": "Move from a system on PostgreSQL: outbox, change capture, comparison",
    "dlq": "Dead letters: group them, look into one, send them back",
    "replay": "Build a view anew from the log beside the live one, and switch readers",
    "process": "Processes: list instances, show one, resume what is stuck, draw one",
    "forget": "Erase a person: key, rows, keys in Redis, and prove it",
    "keys": "Make a local master key, or check the key ring of private data",
    "archive": "Write topics to Parquet files that outlive Kafka's retention",
    "backtest": "Evaluate a view over all of history, offline",
    "verify": "Compare the sinks with the ledger and with the log",
    "demo": "Everything at once: services, workers, load, live view, proof",
}


class _Lazy(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"headrace.cli.{cmd_name}")
        one = getattr(module, "group", None)  # of commands under this one
        if one is None:
            one = typer.Typer(add_completion=False, rich_markup_mode=None)
            one.command(name=cmd_name)(getattr(module, cmd_name))
        command = typer.main.get_command(one)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=_Lazy,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"headrace {headrace.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Headrace: Faust agents at columnar speed, exactly once, with results you can prove."""
    logs.configure("warning")


def main() -> None:
    """Run the command line. Exit codes: 0 good, 1 the thing checked is not so, 2 misuse."""
    sys.path.insert(0, str(Path.cwd()))  # a project's agents come before any that are installed
    try:
        app()
    except ConfigError as error:
        logs.tell(error, 2)
        sys.exit(2)
    except HeadraceError as error:
        logs.tell(error, 1)
        sys.exit(1)


if __name__ == "__main__":
    main()
