"""What a tenant's callers see of a shop whose requests are many tenants'."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.serve.auth.issuer import AUDIENCE, ISSUER, key_set, token
from tests.serve.server import ROOT, served
from tests.serve.shop import Shop

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
SCOPES = "metrics:read features:read views:read pipeline:read catalog:read"


@pytest.fixture(scope="module")
def url(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop, asking for tokens."""
    root: Path = tmp_path_factory.mktemp("tenants")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    content = yaml.safe_load((ROOT / "topology.yaml").read_text())
    content["serve"]["auth"] = {
        "issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json", "tenant_claim": "tenant",
    }  # fmt: skip
    (root / "topology.yaml").write_text(yaml.safe_dump(content))
    (root / "jwks.json").write_bytes(key_set())
    with served(root, **shop.home) as address:
        yield address


def get(url: str, path: str, tenant: str | None, **parameters: str) -> httpx.Response:
    whose = {"scope": f"{SCOPES} tenants:all"} if tenant is None else {"scope": SCOPES}
    bearer = {"Authorization": f"Bearer {token(tenant=tenant, **whose)}"}
    return httpx.get(f"{url}/v1/{path}", params={"last": "3h", **parameters}, headers=bearer)


def totals(answer: httpx.Response) -> dict[str, float]:
    """Sums of a series' points by tenant."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {
        series["labels"]["tenant"]: sum(value or 0 for _, value in series["points"])
        for series in found["series"]
    }


def test_each_tenant_sees_its_own_rows_and_no_other(url: str) -> None:
    asked = {"by": "tenant", "step": "1h"}
    everything = totals(get(url, "metrics/requests/series", None, **asked))
    assert len(everything) > 1
    for _ in range(2):  # the second time from the cache
        for tenant, requests in everything.items():
            mine = totals(get(url, "metrics/requests/series", tenant, **asked))
            assert mine == {tenant: requests}
    one, other, *_ = everything
    for path in ("metrics/requests/series", "metrics/error_rate/series", "metrics/latency/series"):
        narrowed = get(url, path, one, by="tenant", where=f"tenant:{other}", step="1h")
        assert not any(totals(narrowed).values()), path
    top = get(url, "metrics/requests/top", one, by="tenant").json()["rows"]
    assert [row["labels"]["tenant"] for row in top] == [one]
    assert totals(get(url, "metrics/requests/series", "nobody", **asked)) == {}


@pytest.mark.parametrize(
    "path",
    [
        "metrics/revenue/series", "metrics/revenue/top?by=region", "metrics/revenue/stream",
        "funnels/shop", "cohorts/customers", "features/u1", "views/order/o1", "pipeline",
    ],
)  # fmt: skip
def test_what_is_not_kept_by_tenant_is_refused(url: str, path: str) -> None:
    name, _, query = path.partition("?")
    more = dict([query.split("=")]) if query else {}
    answer = get(url, name, "acme", **more)
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "/problems/access-tenant"


def test_the_catalogue_is_everybodys(url: str) -> None:
    assert get(url, "catalog", "acme").status_code == 200
