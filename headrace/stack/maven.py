"""Java, and jars by Maven: each set listed in a pom, fetched once for all projects of a user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from headrace.errors import ConfigError

JAVA = 17
INSTALL = "install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jdk maven)"


def cache_dir() -> Path:
    """Where downloaded jars are kept for all projects: ``HEADRACE_CACHE`` or the user's cache."""
    named = os.environ.get("HEADRACE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "headrace"


def java(service: str) -> str:
    """The Java that ``service`` runs on; raises ConfigError when it is missing or too old."""
    found = shutil.which("java")
    if found is None:
        raise ConfigError(f"{service}: there is no 'java' on the PATH: {INSTALL}")
    output = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    if version is None or int(version[1]) < JAVA:
        said = output.strip().splitlines()[0] if output.strip() else "nothing readable"
        raise ConfigError(f"{service}: 'java -version' says {said!r}: {INSTALL}")
    return found


def jars(service: str, properties: Mapping[str, str] | None = None) -> Path:
    """The folder with the jars of ``jars/<service>.xml``, filled by Maven the first time.

    ``properties`` replace those of the pom. Its name has all of them, so another version is another
    folder. Raises ConfigError when Maven is missing or can't get them.
    """
    pom = files("headrace.stack").joinpath(f"jars/{service}.xml").read_text(encoding="utf-8")
    declared = re.search(r"<properties>(.*?)</properties>", pom, re.DOTALL)
    assert declared is not None
    values = dict(re.findall(r"<([\w.]+)>(.*?)</", declared[1])) | dict(properties or {})
    target = cache_dir() / "-".join((service, *values.values()))
    if target.exists():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigError(f"{service}: there is no 'mvn' on the PATH: {INSTALL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        (Path(folder) / "pom.xml").write_text(pom, encoding="utf-8")
        argv = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
        argv += [f"-D{name}={value}" for name, value in (properties or {}).items()]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"{service}: Maven can't get the jars: {done.stdout.strip()[-800:]}")
        settle(Path(folder) / "jars", target)
    return target


def settle(made: Path, target: Path) -> None:
    """Rename what was made to ``target``, unless somebody else was quicker."""
    try:
        made.rename(target)
    except OSError:
        if not target.exists():
            raise
