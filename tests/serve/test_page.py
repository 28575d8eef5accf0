"""The live page in a real browser, over real services."""

from __future__ import annotations

import json
import time
from collections import Counter
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
import redis
from playwright.sync_api import expect

from headrace.security.address import clickhouse_options
from loadgen.verify import lags
from tests.serve.chromium import chromium, tab
from tests.serve.server import ROOT

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
ARTEFACTS = ROOT / "build/page"
FIRST_PAINT_MS = 1_000
FRESH_S = 2.0


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser, shop):
    """A tab that showed everything; it must not have complained or asked anybody else."""
    with tab(browser, shop.url) as found:
        settled(found.page, shop)
        yield found.page
        assert found.complaints == []
        assert found.hosts == {urlsplit(shop.url).netloc}


def settled(page, shop):
    """Wait until each panel shows values."""
    panels = page.locator("#panels > article")
    expect(panels).to_have_count(len(shop.topology.serve.panels), timeout=10_000)
    for name in shop.topology.serve.panels:
        expect(page.locator(f"article:has(#panel-{name}) data").first).to_be_attached(
            timeout=10_000
        )
    expect(page.locator("#graph .node.topic")).to_have_count(len(shop.topology.topics))
    expect(page.locator("#vital-lag data")).to_have_attribute("value", "0", timeout=10_000)


def values(page, panel):
    """The exact values that a panel shows, in its order."""
    found = page.locator(f"article:has(#panel-{panel}) data")
    return [float(one) for one in found.evaluate_all("all => all.map(one => one.value)") if one]


def ask(shop, sql):
    """Rows of ClickHouse, asked without the read API."""
    options = clickhouse_options(shop.endpoints.clickhouse)
    client = clickhouse_connect.get_client(**options, database=shop.topology.clickhouse.database)
    try:
        return client.query(sql).result_rows
    finally:
        client.close()


def until(true, seconds=5.0):
    """Wait for it; how long that took. Fails when it does not come true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def test_the_funnel_and_the_orders_are_those_of_the_raw_tables(opened, shop):
    visits = dict(ask(shop, "SELECT type, uniqExact(user_id) FROM sessions GROUP BY type"))
    ((buyers,),) = ask(shop, "SELECT uniqExact(user_id) FROM orders WHERE type = 'placed'")
    steps = shop.topology.funnels["shop"].steps
    assert values(opened, "funnel") == [*(visits[step] for step in steps[:-1]), buyers]

    def agree():
        rows = ask(
            shop,
            "SELECT countIf(m = now), countIf(m = now - 60) FROM (SELECT toStartOfMinute(now()) AS"
            " now, toStartOfMinute(occurred_at) AS m FROM orders WHERE type = 'placed')",
        )
        return values(opened, "orders") == [float(n) for n in rows[0]]

    until(agree)


def test_the_ranking_is_what_redis_holds(opened, shop):
    client = redis.Redis.from_url(shop.endpoints.redis)
    scores = Counter()
    for key in client.scan_iter(f"{shop.topology.redis.prefix}:*:product:trending:all"):
        scores.update(
            {member.decode(): s for member, s in client.zrange(key, 0, -1, withscores=True)}
        )
    best = sorted(scores, key=lambda member: (-scores[member], member))
    shown = opened.locator("article:has(#panel-trending) li > span").all_inner_texts()
    assert shown == best[: len(shown)]
    assert len(shown) == shop.topology.serve.panels["trending"].rows


def test_a_topic_and_an_agent_are_looked_into_by_keyboard(opened, shop):
    topic = opened.get_by_role("button", name="topic shop.orders")
    topic.focus()
    opened.keyboard.press("Enter")
    inspector = opened.locator("#inspector")
    expect(inspector.get_by_role("heading", level=3)).to_have_text("shop.orders")
    positions = sorted(lags(shop.endpoints, shop.topology).items())
    ends = [f"{lag.end:,}" for tp, lag in positions if tp.topic == "shop.orders"]
    expect(inspector.locator("tbody td:nth-child(2)")).to_have_text(ends)
    expect(topic).to_have_attribute("aria-pressed", "true")
    opened.get_by_role("button", name="agent activity").focus()
    opened.keyboard.press("Space")
    expect(inspector).to_contain_text("shop.sessions, shop.orders")
    expect(inspector).to_contain_text("Last errors")
    opened.screenshot(path=ARTEFACTS / "agent.png")


def test_everything_is_reached_by_tab_and_the_theme_is_switched(opened, shop):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    before = opened.evaluate("document.documentElement.dataset.theme")
    reached = set()
    for _ in range(100):
        opened.keyboard.press("Tab")
        name = opened.evaluate("(e => e.id || e.ariaLabel)(document.activeElement)")
        if name == "theme" and name not in reached:
            opened.keyboard.press("Space")
        reached.add(name or "")
        if name == "trace-id":
            break
    assert {"theme", "graph", "person-id", "trace-id"} <= reached
    for topic in shop.topology.topics:
        assert any(name.startswith(f"topic {topic}") for name in reached)
    assert before == "light"
    assert opened.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_person_is_looked_up_by_id(opened, shop):
    ((user, views),) = ask(
        shop,
        "SELECT user_id, uniqExact(product_id) FROM sessions WHERE type = 'product_view'"
        " GROUP BY user_id ORDER BY 2 DESC, 1 LIMIT 1",
    )
    field = opened.get_by_label("Id of the person")
    field.fill(user)
    field.press("Enter")
    recent = opened.locator("#person section", has_text="user:recent")
    expect(recent.locator("tbody tr")).to_have_count(min(views, 12))
    field.fill("nobody")
    field.press("Enter")
    expect(opened.locator("#person")).to_contain_text("Nothing is kept of nobody.")


def test_a_new_event_shows_within_two_seconds_of_being_visible(opened, shop):
    count = "SELECT uniqExact(user_id) FROM orders WHERE type = 'placed'"
    before = ask(shop, count)[0][0]
    order = {
        "event_id": "page-1", "occurred_at": int(time.time() * 1000), "producer": "test",
        "schema_version": 1, "trace_id": None, "user_id": "page-reader", "region": "eu_west",
        "order_id": "page-1", "type": "placed", "currency": "EUR", "total": "9.50",
        "lines": [{"product_id": "p", "category": "books", "quantity": 1, "unit_price": "9.50"}],
    }  # fmt: skip
    shop.headrace("produce", "shop.orders", stdin=json.dumps(order))
    until(lambda: ask(shop, count)[0][0] == before + 1, 20)
    assert until(lambda: values(opened, "funnel")[-1] == before + 1) < FRESH_S


def test_it_paints_at_once_and_fits_a_phone(browser, shop):
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    paints = []
    for name, look in {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}.items():
        with tab(browser, shop.url, **look) as found:
            settled(found.page, shop)
            entries = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(found.page.evaluate(entries))
            wide = found.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name}: {wide} px too wide"
            found.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)
    assert min(paints) < FIRST_PAINT_MS


def test_a_token_is_asked_for_and_kept_in_the_tab(browser, shop):
    """The browser's route stands in for a server that wants a token, to have the state alone."""

    def guard(route):
        if route.request.headers.get("authorization") == "Bearer good":
            route.continue_()
        else:
            problem = {"title": "Unauthorized", "detail": "send a token: Authorization: Bearer …"}
            route.fulfill(status=401, content_type="application/problem+json", json=problem)

    with tab(browser, "about:blank") as found:
        found.page.route("**/v1/**", guard)
        found.page.goto(shop.url)
        dialog = found.page.get_by_role("dialog")
        expect(dialog).to_contain_text("send a token")
        for token in ("bad", "good"):
            field = dialog.get_by_label("Token", exact=True)
            field.fill(token)
            field.press("Enter")
        settled(found.page, shop)
        expect(dialog).to_be_hidden()
        assert found.page.evaluate("sessionStorage['headrace.token']") == "good"
        assert found.page.evaluate("Object.keys(localStorage)") == []


def test_a_lost_server_is_said_and_found_again(browser, shop):
    """The browser's route stands in for a server that is away."""
    with tab(browser, "about:blank") as found:
        found.page.route("**/v1/pipeline/stream", lambda route: route.abort())
        found.page.goto(shop.url)
        banner, status = found.page.locator("#banner"), found.page.locator("#connection")
        expect(banner).to_contain_text("Disconnected since")
        expect(banner).to_contain_text("Trying again in")
        found.page.unroute("**/v1/pipeline/stream")
        expect(status).to_contain_text("Live", timeout=15_000)
        expect(banner).to_be_empty()


def test_browsers_get_the_page_and_others_what_a_registry_says(shop):
    html = shop.client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert html.headers["content-type"].startswith("text/html")
    assert html.headers["cache-control"] == "no-cache"
    assert shop.client.get("/", headers={"Accept": "application/json"}).json() == {}
    assert shop.client.get("/").json() == {}
    script = html.text.partition('src="')[2].partition('"')[0]
    answer = shop.client.get(script)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in answer.headers["content-type"]
    assert "http" not in html.text
