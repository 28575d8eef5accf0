"""The project's own promises: targets, lock, links, no traces of a machine."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import compose_spec
import pytest

from headrace import topology
from headrace.cli.main import COMMANDS
from headrace.endpoints import VARIABLES
from headrace.topology.graph import svg

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_every_make_target_says_what_it_does():
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()
    for target in phony:
        assert re.search(rf"^{target}:.*## \w", text, re.MULTILINE), target


def test_every_command_has_a_module_with_its_function():
    for name in COMMANDS:
        spec = importlib.util.find_spec(f"headrace.cli.{name}")
        assert spec is not None, name
        text = Path(spec.origin).read_text()
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), name


def test_the_lock_pins_every_dependency_by_hash_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in declared:
        name = re.match(r"[A-Za-z0-9_.-]+", requirement)[0].lower().replace("_", "-")
        assert re.search(rf"^{re.escape(name)}(\[[^]]*\])?==", lock, re.MULTILINE), name
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 500


def test_the_wheel_has_everything_that_its_packages_need_at_runtime(tmp_path):
    """The page's built files, the Lua script and the list of jars are no modules."""
    finding = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {pattern.rstrip("*") for pattern in finding["find"]["include"]}
    source, needed = tmp_path / "source", set()
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.parts[0] in packages:
            needed.add(name.as_posix())
        elif name.as_posix() not in ("pyproject.toml", "README.md"):
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, source / name)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {name for name in needed if name.startswith("headrace/serve/page/web/")}
    assert held == needed - sources
    assert "headrace/serve/page/static/index.html" in held


#: Split, so that this file does not contain what it looks for.
TRACES = ("/ro" + "ot/", "/wo" + "rk/", "/opt/" + "wheels", "py" + "pi.org", "maven." + "org")


def test_no_file_names_a_machine_or_a_registry():
    for path in tracked():
        if path.suffix in (".png", ".parquet"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for trace in TRACES:
            assert trace not in text, f"{path.relative_to(ROOT)} contains {trace!r}"


@pytest.mark.parametrize(
    "page", [p for p in tracked() if p.suffix == ".md"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_links_between_pages_resolve(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_compose_file_is_valid_and_serves_the_three_addresses():
    text = (ROOT / "deploy/compose.yaml").read_text()
    compose = compose_spec.PyCompose.from_yaml(text)
    compose.validate()
    assert set(compose.service_names()) == {"kafka", "clickhouse", "redis"}
    given = (ROOT / "deploy/services.env").read_text()
    for variable in VARIABLES.values():
        address = re.search(rf"^{variable}=(.*)$", given, re.MULTILINE)[1]
        port = re.search(r":(\d+)(/|$)", address.rsplit("@", 1)[-1])[1]
        assert f'"127.0.0.1:{port}:' in text, variable


def test_a_mistyped_compose_key_is_refused():
    text = (ROOT / "deploy/compose.yaml").read_text()
    with pytest.raises(ValueError, match="portz"):
        compose_spec.PyCompose.from_yaml(text.replace("ports:", "portz:")).validate()


def test_the_drawn_topology_is_up_to_date():
    drawn = (ROOT / "docs/topology.svg").read_text(encoding="utf-8")
    assert drawn == svg(topology.load(ROOT)), (
        "run: headrace graph --format svg --output docs/topology.svg"
    )
