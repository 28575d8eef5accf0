"""Reads that are answered without their route: the same bytes, and never to another caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.clock import ManualClock
from headrace.serve.answers import ANSWERED, Answered, answer, response
from headrace.serve.auth.caller import CALLER, Caller
from headrace.serve.cache import FRESH_S, MAX_ENTRIES, STALE_S, Cache
from headrace.serve.shortcuts import Shortcuts
from tests.serve.auth.client import Answer, ask
from tests.serve.shop import Shop

ALL = frozenset({"metrics:read"})


class Route:
    """Answers each caller by tenant from the cache, and counts how often it was needed."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.asked = 0
        self.offset = 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        caller: Caller = scope[CALLER]
        scope["route"] = self
        if not caller.scopes:
            await Response(status_code=403)(scope, receive, send)
            return
        question = (scope["path"], caller.tenant)

        async def new() -> Any:
            return answer({"n": self.asked, "tenant": caller.tenant}, {"t": [self.offset]})

        async def version() -> dict[str, list[int]]:
            return {"t": [self.offset]}

        found = await self._cache.get(question, new, version)
        scope[ANSWERED] = Answered(question, 1)
        await response(None, found, 1)(scope, receive, send)


class Served:
    """The route behind its shortcuts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cache = Cache(self.clock)
        self.route = Route(self.cache)
        self._app = Shortcuts(self.route, self.cache, self.clock)

    async def get(
        self,
        tenant: str | None = None,
        scopes: frozenset[str] = ALL,
        query: bytes = b"",
        method: str = "GET",
        **headers: str,
    ) -> Answer:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope[CALLER] = Caller("somebody", scopes, tenant)
            scope["query_string"] = query
            await self._app(scope, receive, send)

        return await ask(app, "/v1/m", method=method, **headers)


@pytest.fixture
def served() -> Served:
    return Served()


async def test_a_repeated_request_gets_the_same_answer_without_its_route(served: Served) -> None:
    first = await served.get()
    assert await served.get() == first
    assert (served.route.asked, served.cache.hits) == (1, 1)
    known = await served.get(if_none_match=first.headers["etag"])
    assert (known.status, known.body) == (304, b"")
    assert (await served.get(if_none_match='W/"other"')).body == first.body
    assert served.route.asked == 1


async def test_another_tenant_scope_query_or_method_goes_to_the_route(served: Served) -> None:
    await served.get("acme")
    for number, (other, body) in enumerate(
        (
            ({"tenant": "initech"}, b'"initech"'),
            ({"tenant": None}, b"null"),
            ({"tenant": "acme", "query": b"x=1"}, b'"acme"'),
            ({"tenant": "acme", "method": "POST"}, b'"acme"'),
        ),
        2,
    ):
        assert b'"tenant":' + body in (await served.get(**other)).body  # type: ignore[arg-type]
        assert served.route.asked == number
    assert (await served.get("acme", frozenset())).status == 403
    assert (await served.get("acme", frozenset())).status == 403
    assert b'"tenant":"acme"' in (await served.get("acme")).body
    assert served.route.asked == 7


async def test_it_ends_when_the_answer_is_no_longer_fresh(served: Served) -> None:
    first = await served.get()
    served.clock.advance(FRESH_S / 2)
    served.route.offset += 1
    assert await served.get() == first
    served.clock.advance(FRESH_S / 2)
    assert await served.get() != first
    assert served.route.asked == 2


async def test_while_a_newer_answer_is_asked_for_the_old_one_is_given(served: Served) -> None:
    first = await served.get()
    served.route.offset += 1
    served.clock.advance(FRESH_S)
    slow = asyncio.Event()

    async def newer() -> Any:
        await slow.wait()
        return answer({"n": "newer"}, {"t": [2]})

    async def moved() -> dict[str, list[int]]:
        return {"t": [2]}

    asking = asyncio.create_task(served.cache.get(("/v1/m", None), newer, moved))
    while served.cache.misses < 2:
        await asyncio.sleep(0)
    assert await served.get() == first
    served.clock.advance(STALE_S - FRESH_S)
    waiting = asyncio.create_task(served.get())
    await asyncio.sleep(0)
    slow.set()
    await asking
    assert b"newer" in (await waiting).body


async def test_what_is_no_longer_in_the_cache_is_asked_for(served: Served) -> None:
    first = await served.get()

    async def other() -> Any:
        return answer({"n": 0}, {})

    async def nothing() -> dict[str, list[int]]:
        return {}

    for n in range(MAX_ENTRIES):
        await served.cache.get(n, other, nothing)
    assert await served.get() != first


@pytest.mark.parametrize("query", [b"at_least=t:0:1", b"x=1&at%5Fleast=t:0:1"])
async def test_who_wants_a_position_always_asks_the_route(served: Served, query: bytes) -> None:
    for number in (1, 2, 3):
        await served.get(query=query)
        assert served.route.asked == number


@pytest.mark.services
@pytest.mark.timeout(180)
def test_the_served_app_gives_what_its_routes_would(shop: Shop) -> None:
    window = "from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z"
    for path in (f"/v1/metrics/orders/series?{window}", "/v1/features/reader"):
        answers = [shop.client.get(path) for _ in range(3)]
        # A parameter that changes nothing makes it another request, and here the route's.
        answers.append(shop.client.get(f"{path}{'&' if '?' in path else '?'}wait_ms=1"))
        assert {one.status_code for one in answers} == {200}
        assert len({one.headers["etag"] for one in answers}) == 1
        assert {one.headers["content-type"] for one in answers} == {"application/json"}
        again = shop.client.get(path, headers={"If-None-Match": answers[0].headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        template = "/v1/metrics/{name}/series" if "metrics" in path else "/v1/features/{user}"
        counted = f'headrace_http_requests_total{{method="GET",route="{template}",status="304"}}'
        assert counted in shop.client.get("/metrics").text
    assert shop.client.get(f"/v1/features/{'x' * 257}").status_code == 422
    assert shop.client.get("/v1/features/a/b").status_code == 404
