"""Unknown query parameters are refused."""

from __future__ import annotations

import pytest

from agentguard.accounts.principal import EVERY_PERMISSION
from agentguard.traces.errors import RpcCode
from agentguard.web.problems import MEDIA_TYPE
from tests.web.strict import document
from tests.web.test_permissions import Fixed, client_with, written

pytestmark = pytest.mark.anyio

OPERATIONS = [
    (method.upper(), path)
    for path, operations in document()["paths"].items()
    for method in operations
    if not path.startswith("/api/auth/sso")  # an identity provider adds parameters of its own
]


@pytest.fixture
async def client():
    """A client of the routes with nothing behind them."""
    async with client_with(Fixed(*EVERY_PERMISSION)) as client:
        yield client


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_route_refuses_an_unknown_parameter(client, method, path):
    answer = await client.request(method, written(path), params={"frmat": "dot"})

    if path.startswith("/v1/"):
        assert (answer.status_code, answer.json()["code"]) == (400, RpcCode.INVALID_ARGUMENT.value)
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
        assert answer.json()["code"] == "unknown-parameter"


@pytest.mark.parametrize("name", ["datset", "Dataset", "data_set", "data-set"])
async def test_a_near_match_is_named_whatever_its_case_and_dashes(client, name):
    answer = (await client.get("/api/graph", params={name: "live"})).json()

    assert answer["near_matches"] == ["dataset"]
    assert answer["detail"] == f"Unknown query parameter {name!r}. Did you mean 'dataset'?"


async def test_without_a_near_match_the_accepted_parameters_are_named(client):
    answer = (await client.get("/api/graph", params={"zzz": "1"})).json()

    assert "dataset" in answer["accepted"]
    assert "since" in answer["accepted"]  # of a dependency of the route
    assert answer["detail"].startswith("Unknown query parameter 'zzz'. This path accepts dataset, ")
