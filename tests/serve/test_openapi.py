"""The description of the read API, and the API held against it by schemathesis."""

from __future__ import annotations

import os
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from headrace.serve.app import create
from tests.serve.server import ROOT

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
OURS = re.compile(r"/v1/(metrics|funnels|cohorts|features|views|catalog)\b(?!.*stream$)")
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "25"))
DOCUMENT = create(ROOT).openapi()
OPERATIONS = [
    (path, method.upper())
    for path, item in DOCUMENT["paths"].items()
    if OURS.match(path)
    for method in item
]


@pytest.fixture(scope="module")
def api(shop):
    """The description without its tokens: this project declares no serve.auth."""
    document = shop.get("/openapi.json").json()
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    return schemathesis.openapi.from_dict(document)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_as_described(shop, api, path, method):
    operation = api[path][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.one_of(*(operation.as_strategy(generation_mode=m) for m in GenerationMode)))
    def hold(case):
        # No schema says that from excludes last, or which topics lead to an answer.
        case.call_and_validate(shop.url, excluded_checks=[positive_data_acceptance])

    hold()


def test_it_is_openapi_3_1_with_examples():
    assert DOCUMENT["openapi"].startswith("3.1")
    assert len(OPERATIONS) >= 9
    for path, method in OPERATIONS:
        operation = DOCUMENT["paths"][path][method.lower()]
        assert operation["description"], path
        assert "application/problem+json" in operation["responses"]["422"]["content"]
    text = str(DOCUMENT)
    for example in ("'examples': ['15m']", "'examples': ['shop.orders:0:1234']"):
        assert example in text
