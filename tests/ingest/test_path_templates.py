"""Paths are stored without what identifies one request or object."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.ingest.path_templates import folded_path, identifies


@pytest.mark.parametrize(
    "segment",
    [
        "123",
        "8c26cd0f-92e8-4e66-a9bc-916801865ad3",
        "8C26CD0F92E84E66A9BC916801865AD3",
        "0123456789abcdef",
        "d41d8cd98f00b204e9800998ecf8427e",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",  # ULID
        "0ujtsYcgvSTl8PAuAdqWYSMnLOv",  # KSUID
        "V1StGXR8_Z5jdHi6B-myT",  # NanoID
        "cus_9s6XKzkNRiz8i3",  # Stripe
        "U01AB2CD3EF4",  # Slack
        "dQw4w9WgXcQaB3dE6gH9jK",
        "chatcmpl-9aXb72kLmQ0pRs1TuV",
        "someone@example.com",
    ],
)
def test_what_identifies_one_object_is_folded(segment: str) -> None:
    assert folded_path(f"/v1/things/{segment}/parts") == "/v1/things/{id}/parts"


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "v1",
        "v1beta1",
        "customers",
        "GetCustomerOrders",
        "chat.completions",
        "gpt-4o-mini-2024-07-18",
        "text-embedding-ada-002",
        "claude-sonnet-4-20250514",
        "customer360dashboardview",
        "Section2Chapter3",
        "EC2InstanceMetadata",
        "internationalization",
        "ACCOUNTS_RECEIVABLE",
        "deadbeef",
        "{id}",
        "opentelemetry.proto.collector.trace.v1.TraceService",
    ],
)
def test_what_names_a_kind_of_object_stays(segment: str) -> None:
    assert folded_path(f"/{segment}") == f"/{segment}"


@given(st.text(max_size=200))
def test_folding_twice_changes_nothing(path: str) -> None:
    assert folded_path(folded_path(path)) == folded_path(path)


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=0, max_size=40))
def test_no_word_is_folded(word: str) -> None:
    assert not identifies(word) or set(word) <= set("abcdef")
