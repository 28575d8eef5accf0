"""Features and views, against a recount of the log in plain Python."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from itertools import pairwise

import pytest

from headrace.murmur import partition_of
from loadgen.murmur import partitions_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
DAY_MS = 86_400_000
LANDMARK_MS = 1_767_225_600_000


def of(found, keyspace, entity):
    """The recounted fields of one entity of a keyspace."""
    return {
        field: value
        for (name, who, field), value in found.items()
        if (name, who) == (keyspace, entity)
    }


def users(shop):
    return sorted({who for name, who, _ in shop.truth.lasts if name == "user"})


def decay(half_life_ms):
    at = time.time() * 1000 // 60_000 * 60_000
    return 2.0 ** (-(at - LANDMARK_MS) / half_life_ms)


def check_user(shop, answer):
    user, held = answer["id"], answer["keyspaces"]
    seen = of(shop.truth.lasts, "user", user).get("seen")
    assert held["user"].get("seen") == (json.loads(seen[2]) if seen else None)
    rings = defaultdict(int)
    for field, (_, total) in of(shop.truth.rings, "user", user).items():
        metric, _, slot = field.partition(":")
        if slot[0] == "d":
            rings[metric] += total
    assert {m: held["user"][m]["30d"] for m in rings} == dict(rings)
    recent = of(shop.truth.maxima, "user:recent", user)
    newest = sorted(recent.items(), key=lambda item: (-item[1], item[0]))[:50]
    assert held["user:recent"] == [[member, float(ms)] for member, ms in newest]
    affinity = of(shop.truth.floats, "user:affinity:category", user)
    assert [m for m, _ in held["user:affinity:category"]] == sorted(
        affinity, key=lambda m: (-affinity[m], m)
    )[:50]
    for member, score in held["user:affinity:category"]:
        # The minute may have passed since the answer.
        assert math.isclose(score, affinity[member] * decay(7 * DAY_MS), rel_tol=1e-3)


def test_features_of_each_user_one_by_one_and_all_at_once(shop):
    everybody = users(shop)
    assert len(everybody) > 50
    for user in everybody[:20]:
        check_user(shop, shop.get(f"/v1/features/{user}").json())
    batch = shop.client.post("/v1/features", json={"ids": [*everybody, "nobody"]}).json()
    assert [f["id"] for f in batch["features"]] == [*everybody, "nobody"]
    for answer in batch["features"][:-1]:
        check_user(shop, answer)
    assert not any(batch["features"][-1]["keyspaces"].values())


def test_windows_of_a_user_follow_the_clock(shop):
    now = time.time() * 1000
    for user in users(shop)[:30]:
        rings = of(shop.truth.rings, "user", user)
        held = shop.get(f"/v1/features/{user}").json()["keyspaces"]["user"]
        fresh = sum(
            total
            for field, (bucket, total) in rings.items()
            if field.startswith("views:h") and bucket > now // 3_600_000 - 24
        )
        assert held.get("views", {}).get("24h", 0) == fresh


def test_a_batch_has_limits(shop):
    for ids in ([], ["u"] * 1_001, [""], ["x" * 300], "u"):
        answer = shop.client.post("/v1/features", json={"ids": ids})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    many = shop.client.post("/v1/features", json={"ids": ["u"] * 1_000})
    assert len(many.json()["features"]) == 1_000


def test_an_order_with_its_lines_and_history(shop):
    orders = sorted({who for name, who, _ in shop.truth.lasts if name == "order"})[:40]
    for order in orders:
        held = shop.get(f"/v1/views/order/{order}").json()["keyspaces"]
        lasts = of(shop.truth.lasts, "order", order)
        assert held["order"] == {field: json.loads(text) for field, (_, _, text) in lasts.items()}
        history = of(shop.truth.maxima, "order:history", order)
        expected = sorted(history.items(), key=lambda item: (-item[1], item[0]))
        assert held["order:history"] == [[what, float(ms)] for what, ms in expected]


def test_carts_hide_what_is_not_above_zero(shop):
    carts = sorted({who for name, who, _ in shop.truth.counters if name == "cart"})
    hidden = 0
    for user in carts:
        counts = of(shop.truth.counters, "cart", user)
        expected = {product: n for product, n in counts.items() if n > 0}
        answer = shop.get(f"/v1/views/cart/{user}")
        if expected:
            assert answer.json()["keyspaces"]["cart"] == expected
        else:
            assert answer.status_code == 404
        hidden += len(counts) - len(expected)
    assert hidden


def test_parts_of_a_product_in_all_partitions_are_added(shop):
    products = sorted({who for name, who, _ in shop.truth.lasts if name == "product:card"})
    for product in products[:30]:
        held = shop.get(f"/v1/views/product/{product}").json()["keyspaces"]
        assert held["product:demand"] == of(shop.truth.counters, "product:demand", product)
        card = of(shop.truth.lasts, "product:card", product)
        assert held["product:card"]["card"] == json.loads(card["card"][2])
        assert held["product:card"].get("name") == (card["name"][2] if "name" in card else None)


def test_trending_products_page_by_page(shop):
    scores = of(shop.truth.floats, "product:trending", "all")
    expected = sorted(scores, key=lambda m: (-scores[m], m))
    path, found, cursor = "/v1/views/trending/all/product:trending", [], None
    while True:
        page = shop.get(path, limit=7, **({"cursor": cursor} if cursor else {})).json()
        found += page["members"]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["members"]) == 7
    found = [(member, score) for member, score in found if member in scores]
    assert [member for member, _ in found] == expected
    for member, score in found:
        assert math.isclose(score, scores[member] * decay(DAY_MS), rel_tol=1e-2)


@pytest.mark.parametrize(
    ("path", "status", "kind", "detail"),
    [
        ("views/orders/o1", 404, "unknown-view", "there are: order, cart"),
        ("views/order/none", 404, "nothing-held", "order 'none'"),
        ("views/order/o1/order", 404, "unknown-keyspace", "there are: order:history"),
        ("views/order/o1/order:history?cursor=!!", 422, "invalid-cursor", "none that an answer"),
        ("views/order/o1/order:history?cursor=e30", 422, "invalid-cursor", "none that an answer"),
        ("views/order/o1/order:history?limit=0", 422, "invalid-request", "limit"),
        ("features/u1?at_least=platform.flags:0:1", 422, "invalid-at-least", "shop.sessions"),
        ("views/cart/u1?at_least=shop.orders:4:1", 422, "invalid-at-least", "4 partitions"),
    ],
)
def test_what_is_not_there_is_told(shop, path, status, kind, detail):
    answer = shop.client.get(f"/v1/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"/problems/{kind}"), problem
    assert detail in problem["detail"]


def test_an_id_that_looks_like_another_keyspace_s_key_finds_nothing(shop):
    user = users(shop)[0]
    answer = shop.get(f"/v1/features/recent:{user}")
    assert answer.status_code == 200
    assert not answer.json()["keyspaces"]["user"]


def test_partitions_are_those_of_the_producers():
    keys = [b"", b"a", b"ab", b"abc", b"abcd", "żółw".encode(), *(b"u%d" % i for i in range(500))]
    assert [partition_of(key, 7) for key in keys] == partitions_of(keys, 7).tolist()


def test_the_catalogue_has_owners_schemas_freshness_and_lineage(shop):
    catalogue = shop.get("/v1/catalog").json()
    topics = {t["name"]: t for t in catalogue["topics"]}
    assert list(topics) == list(shop.topology.topics)
    assert topics["shop.orders"]["schema"]["subject"] == "shop.orders-value"
    assert topics["shop.orders"]["schema"]["version"] == 1
    assert all(topic["owner"] for topic in topics.values())
    revenue = next(m for m in catalogue["metrics"] if m["name"] == "revenue")
    assert revenue["objective"] == {"freshness_s": 10.0, "target": 0.99}
    edges = {tuple(edge) for edge in catalogue["lineage"]}
    path = ["topic:shop.orders", "agent:analytics", "table:orders", "view:revenue_by_minute",
            "metric:revenue"]  # fmt: skip
    assert set(pairwise(path)) <= edges
    assert ("keyspace:order:history", "read_model:order") in edges
    position = catalogue["position"]["platform.requests"]
    assert sum(position) == sum(
        rows for (t, _), (rows, *_) in shop.truth.tables.items() if t == "requests"
    )
