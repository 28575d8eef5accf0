"""The description of the read API, and the API held against it by schemathesis."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from headrace.serve.app import create
from tests.serve.server import ROOT

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]
OURS = r"^/v1/(metrics|funnels|cohorts|features|views|catalog)(?!.*stream$)"
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "12"))


@pytest.fixture
def api(shop):
    return schemathesis.openapi.from_url(f"{shop.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("api").include(path_regex=OURS)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_answers_are_as_described(case):
    case.call_and_validate()


def test_it_is_openapi_3_1_with_examples():
    document = create(ROOT).openapi()
    assert document["openapi"].startswith("3.1")
    ours = {path: item for path, item in document["paths"].items() if path.startswith("/v1/")}
    assert len(ours) >= 10
    for path, item in ours.items():
        for operation in item.values():
            assert operation["description"], path
    text = str(document)
    assert "'examples': ['15m']" in text
    assert "application/problem+json" in text
