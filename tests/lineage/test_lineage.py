"""The shop's lineage, both ways, as text, JSON and Mermaid; what a change touches and breaks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.errors import ConfigError
from headrace.lineage import How, Kind, Lineage, Node
from headrace.lineage.impact import broken, named, touched
from headrace.lineage.project import of_project
from headrace.lineage.versions import report

ROOT = Path(__file__).parents[2]
TOTAL = Node(Kind.FIELD, "shop.orders", "total")


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    return of_project(ROOT)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copy(ROOT / "topology.yaml", tmp_path / "topology.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, args)
    assert done.exit_code == code, done.output
    return done.stdout


def test_everything_is_traced(lineage: Lineage):
    assert lineage.gaps == ()
    assert {node.kind for node in lineage.nodes} == set(Kind)


def test_what_a_field_feeds(lineage: Lineage):
    assert [str(node) for node in touched(lineage, [TOTAL])] == [
        "rule shop.orders.total_not_negative", "view revenue_by_minute.revenue",
        "keyspace order", "keyspace user", "metric revenue",
        "read model features", "read model order", "panel revenue", "level freshness of revenue",
        "watch revenue", "alert shop",
    ]  # fmt: skip


def test_what_a_metric_is_fed_by(lineage: Lineage):
    above = lineage.above(lineage.first("error_rate"))
    fields = {node.name for node in above.nodes if node.kind is Kind.FIELD and node.part}
    assert fields == {
        f"platform.requests.{name}" for name in ("occurred_at", "tenant", "route", "status")
    }
    assert Node(Kind.INTAKE, "kong", "response.status") in above.nodes


def test_a_count_is_fed_by_rows(lineage: Lineage):
    orders = Node(Kind.VIEW, "revenue_by_minute", "orders")
    assert {(e.source.name, e.how) for e in lineage.fed_by(orders)} == {
        ("orders", How.ROWS), ("orders.type", How.ROWS),
    }  # fmt: skip


def test_keyspaces_by_observation(lineage: Lineage):
    cart = lineage.fed_by(Node(Kind.KEYSPACE, "cart"))
    assert {edge.agent for edge in cart} == {"views"}
    assert {edge.source.name for edge in cart} == {
        "shop.sessions.user_id", "shop.sessions.type", "shop.sessions.product_id",
        "shop.sessions.quantity", "shop.orders.user_id", "shop.orders.type", "shop.orders.lines",
        "shop.orders.lines.product_id", "shop.orders.lines.quantity",
    }  # fmt: skip


def test_through_what_an_agent_with_state_emits(monkeypatch: pytest.MonkeyPatch):
    saga = ROOT / "docs/examples/order-saga"
    monkeypatch.chdir(saga)
    lineage = of_project(saga)
    fed = lineage.fed_by(Node(Kind.FIELD, "shop.commands", "amount"))
    assert {(edge.source.name, edge.agent) for edge in fed} == {
        (f"shop.fulfilment.{name}", "fulfilment") for name in ("type", "order_id", "amount")
    }
    kept = lineage.fed_by(Node(Kind.KEYSPACE, "process:fulfilment"))
    assert "shop.fulfilment.lines.quantity" in {edge.source.name for edge in kept}


def test_names(lineage: Lineage):
    assert [str(n) for n in lineage.first("revenue")] == ["metric revenue"]
    assert [str(n) for n in lineage.first("panel revenue")] == ["panel revenue"]
    assert [str(n) for n in lineage.first("panel:revenue")] == ["panel revenue"]
    assert {n.owner for n in lineage.named("shop.orders")} == {"shop.orders"}
    with pytest.raises(ConfigError, match=r"'shop.orders.totl'; did you mean 'shop.orders.total'"):
        lineage.named("shop.orders.totl")
    with pytest.raises(ConfigError, match="name a field"):
        lineage.named("metric xyzzyx")


def test_without_a_field_its_views_break_as_a_whole(lineage: Lineage):
    column = Node(Kind.COLUMN, "orders", "total")
    told = named(broken(lineage, [TOTAL, column]))
    assert "view revenue_by_minute" in told
    assert "metric revenue, orders" in told


def test_the_commands_text(project: Path):
    assert run("graph", "--from", "shop.orders.total").splitlines()[:6] == [
        "field shop.orders.total",
        "├─ rule shop.orders.total_not_negative",
        "├─ column orders.total",
        "│  └─ view revenue_by_minute.revenue",
        "│     └─ metric revenue",
        "│        ├─ level freshness of revenue",
    ]
    above = run("graph", "--of", "cart").splitlines()
    assert "├─ field shop.sessions.user_id  (seen: agent views)" in above
    steps = run("graph", "--fields", "revenue_by_minute").splitlines()
    assert "  revenue ← orders.total" in steps
    assert "  all of them ← rows by orders.type" in steps
    assert "view payments_by_minute" not in steps
    assert "view payments_by_minute" in run("graph", "--fields").splitlines()


def test_the_commands_json_and_mermaid(project: Path):
    told = json.loads(run("graph", "--of", "cart", "--json"))
    ids = {node["id"] for node in told["nodes"]}
    assert all({edge["from"], edge["to"]} <= ids for edge in told["edges"])
    assert {edge["agent"] for edge in told["edges"]} == {"views"}
    drawn = run("graph", "--from", "shop.orders.total", "--format", "mermaid")
    assert drawn.startswith("flowchart LR\n")
    assert '["view revenue_by_minute"]' in drawn
    assert "-.->" in drawn


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--from", "a", "--of", "b"), "--from and --of"),
        (("orders",), "add --fields"),
        (("--json",), "add --fields"),
        (("--fields", "--format", "svg"), "drawn as mermaid"),
    ],
)
def test_misuse(project: Path, args: tuple[str, ...], told: str):
    done = CliRunner().invoke(app, ["graph", *args])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


def test_an_agent_that_is_missing_is_a_gap(project: Path):
    path = project / "topology.yaml"
    path.write_text(path.read_text().replace("agents.views:views", "agents.nowhere:views"))
    assert any("agent views: not run: " in gap for gap in of_project(project).gaps)


def test_check_finds_a_select_that_names_nothing(project: Path):
    path = project / "topology.yaml"
    select = "SELECT p.amont AS n FROM payments AS p"
    view = (
        f"  views: {{v: {{columns: {{n: String}}, order_by: [n], from: {{payments: {select}}}}}}}\n"
    )
    path.write_text(path.read_text().replace("  tables:\n", view + "  tables:\n", 1))
    told = json.loads(run("check", "--json", code=2))
    (problem,) = told["problems"]
    assert problem["path"] == "clickhouse.views.v.from.payments"
    assert problem["wrong"] == "payments has no column 'amont'"
    assert problem["line"] > 1


def version(project: Path, name: str, change) -> None:
    spec = json.loads((project / f"schemas/{name}.avsc").read_text())
    change(spec["fields"])
    (project / f"schemas/{name}.v2.avsc").write_text(json.dumps(spec))


def test_a_new_version_says_what_it_would_break(project: Path):
    def change(fields: list[dict]) -> None:
        by_name = {field["name"]: field for field in fields}
        fields.remove(by_name["variant"])
        by_name["flag"].update(name="feature", aliases=["flag"])
        by_name["schema_version"]["type"] = "long"
        fields.remove(by_name["reason"])

    version(project, "flags", change)
    lines = report(project)
    assert [line.partition(" version 2 ")[2].partition(": ")[0] for line in lines] == [
        "makes 'schema_version' of platform.flags long, which was int",
        "renames 'flag' of platform.flags to 'feature'",
        "drops 'variant' of platform.flags",
        "drops 'reason' of platform.flags",
    ]
    assert "would break view exposures_by_hour; metric exposures; level" in lines[2]
    assert lines[3].endswith("nothing reads it")
    with pytest.raises(ConfigError, match=r"(?s)not locked yet.*drops 'variant'.*exposures"):
        CliRunner().invoke(app, ["schemas", "check"], catch_exceptions=False)


def test_a_new_version_that_takes_nothing_away(project: Path):
    version(project, "flags", lambda fields: fields.append(
        {"name": "note", "type": ["null", "string"], "default": None}))  # fmt: skip
    assert report(project) == []


def test_fields_inside_of_others(project: Path):
    def change(fields: list[dict]) -> None:
        lines = next(field for field in fields if field["name"] == "lines")
        items = lines["type"]["items"]["fields"]
        items[:] = [field for field in items if field["name"] != "quantity"]

    version(project, "orders", change)
    (line,) = report(project)
    assert (
        "drops 'lines.quantity' of shop.orders: this would break view revenue_by_category" in line
    )
    assert "keyspace order, cart, product:demand" in line
