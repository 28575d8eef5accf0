"""The read API while its stores are away."""

from __future__ import annotations

import httpx

from headrace.endpoints import VARIABLES
from headrace.serve.app import create
from tests.serve.server import project


async def test_what_needs_a_store_says_that_it_is_away_and_the_rest_is_served(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "nothing"))
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    transport = httpx.ASGITransport(create(project(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path in ("features/u", "views/order/o", "metrics/orders/series", "cohorts/customers"):
            answer = await client.get(f"/v1/{path}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["type"] == "/problems/store-unavailable"
            assert "headrace up" in answer.json()["detail"]
        waited = await client.get("/v1/features/u?at_least=shop.orders:0:1&wait_ms=0")
        assert (waited.status_code, waited.json()["position"]) == (504, {})
        catalogue = await client.get("/v1/catalog")
        assert (catalogue.status_code, catalogue.json()["position"]) == (200, {})
        assert (await client.get("/v1/metrics")).json()["metrics"]
        assert (await client.get("/subjects")).status_code == 200
