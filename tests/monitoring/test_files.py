"""What is generated: the committed bytes, names that exist, dashboards that Grafana can load."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from headrace import topology
from headrace.cli.main import app
from headrace.errors import ConfigError, HeadraceError
from headrace.metrics.listed import by_name
from headrace.monitoring import files
from tests.monitoring import DEPLOY, ROOT
from tests.tools import binary

DECLARED = topology.load(ROOT)
WANTED = files(DECLARED, DECLARED.service_levels)
RUNBOOKS = ROOT / "docs/runbooks"
DASHBOARDS = [name for name in WANTED if name.startswith("grafana/")]
RULES = [DEPLOY / f"prometheus/{name}.rules.yml" for name in ("recording", "alerts")]


def alerts() -> list[dict]:
    (group,) = yaml.safe_load(WANTED["prometheus/alerts.rules.yml"])["groups"]
    return group["rules"]


def test_the_committed_files_are_what_the_topology_gives():
    committed = {
        str(path.relative_to(DEPLOY)): path.read_text(encoding="utf-8")
        for folder in ("prometheus", "grafana")
        for path in (DEPLOY / folder).iterdir()
    }
    assert committed == WANTED, "run: headrace generate"


def test_the_command_writes_them_and_tells_what_differs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    runner = CliRunner()
    assert runner.invoke(app, ["generate", "--out", str(tmp_path)]).exit_code == 0
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.glob("*/*")} == set(WANTED)
    assert runner.invoke(app, ["generate", "--out", str(tmp_path), "--check"]).exit_code == 0
    (tmp_path / "grafana/serving.json").unlink()
    (tmp_path / "prometheus/alerts.rules.yml").write_text("groups: []")
    told = runner.invoke(app, ["generate", "--out", str(tmp_path), "--check"]).exception
    assert isinstance(told, HeadraceError)
    assert "prometheus/alerts.rules.yml, grafana/serving.json" in str(told)
    assert not (tmp_path / "grafana/serving.json").exists()


def test_a_topology_without_service_levels_is_told_what_to_declare(tmp_path, monkeypatch):
    text = (ROOT / "topology.yaml").read_text(encoding="utf-8")
    start = text.index("# What users may count on")
    (tmp_path / "topology.yaml").write_text(text[:start], encoding="utf-8")
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["generate"]).exception
    assert isinstance(told, ConfigError)
    assert "docs/alerts.md" in str(told)


def test_a_latency_that_is_no_bucket_is_told(tmp_path, monkeypatch):
    text = (ROOT / "topology.yaml").read_text(encoding="utf-8")
    wrong = text.replace("api_latency: {seconds: 0.1,", "api_latency: {seconds: 0.12,")
    (tmp_path / "topology.yaml").write_text(wrong, encoding="utf-8")
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["generate"]).exception
    assert isinstance(told, ConfigError)
    assert "0.12: not a bound" in str(told)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    names = {rule["alert"] for rule in alerts()}
    assert names == {path.stem for path in RUNBOOKS.glob("*.md")}
    for rule in alerts():
        url = f"{DECLARED.service_levels.runbooks}/{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == url


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_the_person_on_call_needs(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Meaning", "See it", "Likely causes", "What to do", "Escalate"]
    commands = re.findall(r"^headrace (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        _exists(shlex.split(command, comments=True))


def _exists(words: list[str]) -> None:
    """The command and its options are this command line's."""
    depth = 2 if words[0] in ("dlq", "audit") else 1
    told = CliRunner().invoke(app, [*words[:depth], "--help"])
    assert told.exit_code == 0, words
    for word in words:
        if word.startswith("--"):
            assert f"{word} " in told.output, words


def test_alerts_say_who_how_urgent_and_what_with_the_value():
    owners = {DECLARED.service_levels.owner, "serving"} | {
        metric.owner for metric in DECLARED.metrics.values() if metric.objective
    }
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["labels"]["owner"] in owners
        assert len(rule["annotations"]["summary"]) < 100
        told = rule["annotations"]["description"]
        assert "$value" in told or rule["expr"].endswith("== 0") or "absent" in rule["expr"]


def asked() -> dict[str, str]:
    """Every expression that is generated, and where it stands."""
    rules = [
        (name, rule["expr"])
        for name in ("recording", "alerts")
        for group in yaml.safe_load(WANTED[f"prometheus/{name}.rules.yml"])["groups"]
        for rule in group["rules"]
    ]
    panels = [
        (name, target["expr"])
        for name in DASHBOARDS
        for panel in json.loads(WANTED[name])["panels"]
        for target in panel["targets"]
    ]
    return {expr: name for name, expr in [*rules, *panels]}


def test_every_metric_that_is_asked_for_is_listed_or_recorded():
    listed = set(by_name())
    for metric in by_name().values():
        if metric.kind == "histogram":
            listed |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    listed |= {f"headrace_metric_{name}" for name in DECLARED.metrics}
    recorded = {
        rule["record"]
        for group in yaml.safe_load(WANTED["prometheus/recording.rules.yml"])["groups"]
        for rule in group["rules"]
    }
    for expr, where in asked().items():
        names = set(re.findall(r"\bheadrace[_:][\w:]+", re.sub(r'"[^"]*"', "", expr)))
        assert names <= listed | recorded, where


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_as_grafana_loads_it(name):
    board = json.loads(WANTED[name])
    assert board["uid"] == f"{DECLARED.name}-{Path(name).stem}"
    assert len(board["uid"]) <= 40
    assert board["schemaVersion"] >= 36  # data sources are objects since
    (variable,) = board["templating"]["list"]
    assert variable["type"] == "datasource"
    assert variable["query"] == "prometheus"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["type"] in ("timeseries", "stat")
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert steps[0] is None  # the base colour
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == sorted(set(refs))
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        places.add((at["x"], at["y"]))
    assert len(places) == len(panels)


def test_each_declared_metric_has_its_panel():
    panels = json.loads(WANTED["grafana/business.json"])["panels"]
    by_title = {panel["title"]: panel for panel in panels}
    for name, metric in DECLARED.metrics.items():
        assert by_title[name]["description"] == metric.doc
        assert by_title[name]["targets"][0]["expr"] == f"headrace_metric_{name}"


def test_promtool_and_amtool_take_the_files():
    promtool = binary("promtool", "prometheus")
    amtool = binary("amtool", "prometheus-alertmanager")
    for command in (
        [promtool, "check", "rules", "--lint-fatal", *RULES],
        [promtool, "check", "config", "--lint-fatal", DEPLOY / "prometheus/prometheus.yml"],
        [amtool, "check-config", DEPLOY / "prometheus/alertmanager.yml"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"owner": "data-platform", "severity": "page"}, "data-platform-page"),
        ({"owner": "serving", "severity": "ticket"}, "serving-ticket"),
        ({"owner": "commerce", "severity": "page"}, "commerce-page"),
    ],
)
def test_alertmanager_routes_by_owner_and_severity(labels, receiver):
    done = subprocess.run(
        [
            binary("amtool", "prometheus-alertmanager"), "config", "routes", "test",
            f"--config.file={DEPLOY / 'prometheus/alertmanager.yml'}",
            *(f"{name}={value}" for name, value in labels.items()),
        ],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.split() == [receiver]
