"""``/v1/metrics``, ``/v1/funnels`` and ``/v1/cohorts``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from pydantic.config import JsonDict

from headrace.serve.analytics import models
from headrace.serve.analytics.questions import Questions, Wanted
from headrace.serve.analytics.ranges import Asked
from headrace.serve.answers import answer, respond
from headrace.serve.auth import Caller, calling
from headrace.serve.openapi import AtLeast, WaitMs, responses
from headrace.serve.streams import Streams, until
from headrace.topology.model import Topology

MAX_AGE_S = 1
#: What is declared changes only when the process is started again.
DECLARED_AGE_S = 60
#: For the description only: what does not match gets an error that says what would.
LENGTH: JsonDict = {"pattern": "^[1-9][0-9]{0,8}[smhd]$"}

Reader = Annotated[Caller, Security(calling, scopes=["metrics:read"])]
Name = Annotated[str, Path(max_length=64, examples=["revenue"])]
From = Annotated[
    str | None,
    Query(alias="from", max_length=40, description="RFC 3339 or milliseconds since 1970."),
]
To = Annotated[str | None, Query(max_length=40, description="Like from; now unless it is given.")]
Last = Annotated[
    str | None,
    Query(
        max_length=12, description="Length of time before to, instead of from.", examples=["15m"]
    ),
]
StepLength = Annotated[
    str | None,
    Query(
        max_length=12,
        description="A multiple of the metric's least step.",
        examples=["5m"],
        json_schema_extra=LENGTH,
    ),
]
By = Annotated[
    str | None,
    Query(max_length=256, description="Dimensions, separated by commas.", examples=["region"]),
]
Ranked = Annotated[
    str,
    Query(max_length=256, description="Dimensions to rank, by commas.", examples=["region"]),
]
Where = Annotated[
    list[str],
    Query(max_length=16, description="dimension:value.", examples=["region:apac"]),
]


def router(topology: Topology, questions: Questions, streams: Streams) -> APIRouter:
    """The routes. Answers are bytes already: nothing is serialised or checked twice."""
    routes = APIRouter(prefix="/v1", tags=["analytics"])
    described = answer(
        {
            "metrics": [
                models.Described(
                    name=name, doc=m.doc, unit=m.unit, owner=m.owner,
                    dimensions=list(m.dimensions), step_s=questions.grain_s(m),
                    kind=m.measure.kind,
                ).model_dump()
                for name, m in topology.metrics.items()
            ]
        },
        {},
    )  # fmt: skip

    @routes.get("/metrics", response_model=models.Metrics, responses=responses())
    async def metrics(request: Request, caller: Reader) -> Response:
        """All metrics that can be asked for."""
        return respond(request, described, DECLARED_AGE_S)

    @routes.get(
        "/metrics/{name}/series", response_model=models.Series, responses=responses(404, 504)
    )
    async def series(
        request: Request, caller: Reader, name: Name, from_: From = None, to: To = None,
        last: Last = None, step: StepLength = None, by: By = None, where: Where = [],  # noqa: B006
        at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """A metric over time: the last hour unless from or last is given."""
        wanted = Wanted(Asked(from_, to, last, step), by, where, at_least, wait_ms)
        question = questions.series(name, wanted, caller)
        return respond(request, await questions.answer(question, wanted), MAX_AGE_S)

    @routes.get("/metrics/{name}/top", response_model=models.Top, responses=responses(404, 504))
    async def top(
        request: Request, caller: Reader, name: Name, by: Ranked,
        n: Annotated[int, Query(ge=1, le=1_000)] = 10, from_: From = None, to: To = None,
        last: Last = None, where: Where = [], at_least: AtLeast = [],  # noqa: B006
        wait_ms: WaitMs = 2_000,
    ) -> Response:  # fmt: skip
        """The values of a dimension for which a metric is greatest; of quantiles the last level."""
        wanted = Wanted(Asked(from_, to, last), by, where, at_least, wait_ms)
        question = questions.top(name, wanted, n, caller)
        return respond(request, await questions.answer(question, wanted), MAX_AGE_S)

    @routes.get(
        "/metrics/{name}/stream",
        response_class=StreamingResponse,
        responses={
            **responses(404, unchanged=False),
            200: {
                "description": "Events whose data is what series answers, now and as it changes",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
        },
    )
    async def stream(
        caller: Reader, name: Name, last: Last = None, step: StepLength = None, by: By = None,
        where: Where = [],  # noqa: B006
    ) -> Response:  # fmt: skip
        """A metric live, as server-sent events: its last hour unless another length is given."""
        wanted = Wanted(Asked(None, None, last, step), by, where)
        # What is wrong with the request is told before the stream begins.
        questions.series(name, wanted, caller)

        async def ask() -> Any:
            return await questions.answer(questions.series(name, wanted, caller), wanted)

        key = (name, last, step, by, tuple(where), caller.tenant)
        return StreamingResponse(
            until(caller.until_ms, streams.follow(key, ask)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @routes.get(
        "/funnels/{name}",
        response_model=models.Funnel,
        responses=responses(404, 504),
    )
    async def funnel(
        request: Request, caller: Reader, name: Name, from_: From = None, to: To = None,
        last: Last = None, by: By = None, where: Where = [],  # noqa: B006
        at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """How many took each step of a funnel: in the last 24 hours unless told otherwise."""
        wanted = Wanted(Asked(from_, to, last), by, where, at_least, wait_ms)
        question = questions.funnel(name, wanted, caller)
        return respond(request, await questions.answer(question, wanted), MAX_AGE_S)

    @routes.get("/cohorts/{name}", response_model=models.Cohorts, responses=responses(404, 504))
    async def cohorts(
        request: Request, caller: Reader, name: Name, from_: From = None, to: To = None,
        last: Last = None, at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """Cohorts of the last 30 days unless told otherwise, and who of them came back."""
        wanted = Wanted(Asked(from_, to, last), None, (), at_least, wait_ms)
        question = questions.cohorts(name, wanted, caller)
        return respond(request, await questions.answer(question, wanted), MAX_AGE_S)

    return routes
