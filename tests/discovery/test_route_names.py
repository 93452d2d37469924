"""Requests for different things of one kind are one workflow."""

from __future__ import annotations

import pytest

from agentguard.discovery.route_names import route_name
from tests.scan.test_pipeline import SERVER, Recorder


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("GET /customers/123", "GET /customers/{id}"),
        ("GET /customers/123/orders/2024-01-31", "GET /customers/{id}/orders/{id}"),
        ("/customers/8c26cd0f-92e8-4e66-a9bc-916801865ad3", "/customers/{id}"),
        ("GET /commits/5f2c9a1b77de40c1", "GET /commits/{id}"),
        ("POST /runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/stop", "POST /runs/{id}/stop"),
        ("GET /customers/cus_NffrFeUfNV2Hib", "GET /customers/{id}"),
        ("GET /orders/order-12345?page=2", "GET /orders/{id}"),
        ("GET /users/ann@example.org", "GET /users/{id}"),
        ("GET https://shop.example/orders/7", "GET /orders/{id}"),
        ("HTTP GET /orders/7", "HTTP GET /orders/{id}"),
        ("GET /" + "a" * 65, "GET /{id}"),
    ],
)
def test_ids_in_paths_are_folded(name: str, folded: str) -> None:
    assert route_name(name) == folded


@pytest.mark.parametrize(
    "name",
    [
        "GET /api/v1/customers",
        "GET /oauth2callback",
        "GET /OAuth2CallbackHandler",
        "GET /tools/base64encoder",
        "POST /v1/models/gpt-4o-mini:generate",
        "GET /facade",
        "process order 12345",
        "grpc.health.v1.Health/Check",
        "GET /customers/{customer_id}",
        "GET /customers/:id",
        "POST",
    ],
)
def test_words_and_versions_stay(name: str) -> None:
    assert route_name(name) == name


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("GET /customers/abc", "GET /customers/{customer}"),
        ("GET", "GET /customers/{customer}"),
        ("GET /customers/{customer}", "GET /customers/{customer}"),
        ("show customer", "show customer"),
    ],
)
def test_a_routes_template_replaces_the_path(name: str, named: str) -> None:
    assert route_name(name, "/customers/{customer}") == named


def test_requests_for_many_things_are_one_workflow() -> None:
    r = Recorder()
    for number in range(50):
        r.trace = str(number)
        r.span(f"GET /customers/{number}", kind=SERVER, http__request__method="GET")

    workflows = r.graph().workflows

    assert [(w.name, w.root, w.runs) for w in workflows] == [
        ("GET /customers/{id}", "GET /customers/{id}", 50)
    ]


def test_the_route_of_the_conventions_names_the_workflow() -> None:
    r = Recorder()
    for number, name in enumerate(("GET /customers/ann", "GET /customers/bob", "GET")):
        r.trace = str(number)
        r.span(name, kind=SERVER, http__request__method="GET", http__route="/customers/{name}")

    assert [(w.name, w.runs) for w in r.graph().workflows] == [("GET /customers/{name}", 3)]
