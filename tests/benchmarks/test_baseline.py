"""The plain baseline of `make bench` finds the same graph as the product, so that the two times may
be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.scan.pipeline import scan
from benchmarks.baseline.graph import graph_of
from benchmarks.facts import of_document, of_network
from benchmarks.generate import Order, bodies

pytestmark = pytest.mark.xdist_group("baseline")


@pytest.fixture(scope="module")
def dialects() -> Dialects:
    """The baseline joins no traces, and the last run of the generated spans is incomplete."""
    return replace(load_dialects(), join_traces=False)


def both(requests: Sequence[bytes], dialects: Dialects) -> tuple[dict[str, Any], dict[str, Any]]:
    found = scan(
        (ProtobufPayload(f"request {n}", body) for n, body in enumerate(requests)), dialects
    )
    return of_document(asdict(found.graph)), of_network(graph_of(requests, dialects))


@pytest.mark.parametrize("scattered", [False, True])
def test_same_graph_on_generated_spans(scattered: bool, dialects: Dialects) -> None:
    product, plain = both(list(bodies(Order(5_000, 7, scattered))), dialects)

    assert product["dependencies"]
    assert product == plain
