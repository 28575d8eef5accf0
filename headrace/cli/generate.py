"""``headrace generate``: what watches the pipeline, from what the topology promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import topology
from headrace.errors import ConfigError, HeadraceError
from headrace.monitoring import files
from headrace.serve.exposition.requests import BUCKETS_S
from headrace.topology.levels import ServiceLevels


def generate(
    out: Annotated[Path, typer.Option(help="Folder to write prometheus/ and grafana/ in.")] = Path(
        "deploy"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file differs.")
    ] = False,
) -> None:
    """Write Prometheus' rules, alerts and example configuration, and Grafana's dashboards."""
    declared = topology.load(Path.cwd())
    if declared.service_levels is None:
        raise ConfigError(
            "topology.yaml has no service_levels: there is nothing to watch for; "
            "docs/alerts.md shows what to declare"
        )
    _bucket(declared.service_levels)
    wanted = files(declared, declared.service_levels)
    if check:
        old = [name for name, text in wanted.items() if _read(out / name) != text]
        if old:
            raise HeadraceError(
                f"not as topology.yaml says: {', '.join(old)} in {out}; run 'headrace generate'"
            )
        typer.echo(f"{len(wanted)} files in {out} are as topology.yaml says")
        return
    for name, text in wanted.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(path)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _bucket(levels: ServiceLevels) -> None:
    """What a rule asks of the serving process's histogram must be one of its buckets."""
    within = levels.api_latency
    if within is not None and within.seconds not in BUCKETS_S:
        raise ConfigError(
            f"topology.yaml: service_levels.api_latency.seconds: {within.seconds:g}: not a bound of"
            f" headrace_http_request_seconds; one of {', '.join(f'{b:g}' for b in BUCKETS_S)}"
        )
