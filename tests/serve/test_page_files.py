"""What is shipped of the live page: built from its sources, small, and readable."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headrace.serve.page.files import STATIC

WEB = STATIC.parent / "web"
LIMIT = 300_000
#: WCAG 2.2 AA: text, and what is drawn (1.4.3, 1.4.11).
TEXT, DRAWN = 4.5, 3.0
SURFACES = ("ground", "surface")
ON_TEXT = [
    *itertools.product(("ink", "ink-2", "accent", "bad"), SURFACES),
    ("ink", "bad-soft"), ("ink-2", "bad-soft"), ("bad", "bad-soft"),
    ("ink", "warn-soft"), ("warn", "warn-soft"), ("ink", "accent-soft"), ("ink-2", "accent-soft"),
]  # fmt: skip
ON_DRAWN = [
    *((f"series-{n}", "surface") for n in range(1, 7)),
    *itertools.product(("edge", "good", "accent"), SURFACES),
]


def palettes() -> dict[str, dict[str, str]]:
    text = (WEB / "src/styles/tokens.css").read_text()
    found = re.findall(r"^:root(?:\[data-theme=\"(\w+)\"\])? \{(.*?)^\}", text, re.S | re.M)
    return {
        name or "light": dict(re.findall(r"--([\w-]+): #(\w{6});", body)) for name, body in found
    }


def luminance(color: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_what_they_stand_on(theme: str) -> None:
    colors = palettes()[theme]
    weak = [
        f"{ink} on {ground}: {found:.2f}"
        for pairs, least in ((ON_TEXT, TEXT), (ON_DRAWN, DRAWN))
        for ink, ground in pairs
        if (found := contrast(colors[ink], colors[ground])) < least
    ]
    assert weak == []
    named = {ink for ink, _ in (*ON_TEXT, *ON_DRAWN)} | {g for _, g in (*ON_TEXT, *ON_DRAWN)}
    assert colors.keys() - named == {"line"}  # hairlines carry nothing


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_the_page_is_small_and_whole() -> None:
    shipped = files(STATIC)
    assert sum(map(len, shipped.values())) < LIMIT
    index = shipped["index.html"].decode()
    for name in re.findall(r'(?:src|href)="/(assets/[^"]+)"', index):
        assert name in shipped
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", index), "inline: see the CSP"


def test_the_page_knows_no_domain() -> None:
    words = r"\b(shop|cart|currency|revenue|product|payment|checkout|customer)s?\b"
    for path in sorted((WEB / "src").rglob("*.ts")):
        assert not re.search(words, path.read_text(), re.I), path.name


def test_the_lock_is_exact_and_names_no_download() -> None:
    wanted = json.loads((WEB / "package.json").read_text())
    for version in (wanted["dependencies"] | wanted["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


@pytest.mark.skipif(shutil.which("npm") is None, reason="the page's sources are built by Node.js")
def test_what_is_shipped_is_what_the_sources_build(tmp_path: Path) -> None:
    """A difference means: npm ci && npm run build in headrace/serve/page/web."""
    web = tmp_path / "page/web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules", ".tested"))
    quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"]
    for command in (["ci", *quiet], ["test"], ["run", "build"]):
        done = subprocess.run(
            ["npm", *command], cwd=web, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert files(tmp_path / "page/static") == files(STATIC)
