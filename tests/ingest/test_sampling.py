"""What spans say of how they were sampled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.ingest.payloads import DocumentPayload
from agentguard.ingest.sampling import probability, threshold
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("ot=th:c", "c"),
        ("congo=t61rcWkgMzE,ot=rv:9b8233f7e3a151;th:8", "8"),
        ("ot=th:0", "0"),
        ("ot=rv:9b8233f7e3a151", None),
        ("vendor=th:c", None),
        ("ot=th:xyz", None),
        ("", None),
    ],
)
def test_the_threshold_is_read_from_opentelemetrys_member(state: str, found: str | None) -> None:
    assert threshold(state) == found


@pytest.mark.parametrize(
    ("rejection", "share"), [("0", 1.0), ("8", 0.5), ("c", 0.25), ("fd70a4", 0.01)]
)
def test_the_threshold_tells_the_share_kept(rejection: str, share: float) -> None:
    assert probability(rejection) == pytest.approx(share, rel=1e-4)


@given(st.text(max_size=200))
def test_any_tracestate_is_read(state: str) -> None:
    found = threshold(state)

    assert found is None or 0 < probability(found) <= 1


def test_coverage_tells_how_spans_were_sampled() -> None:
    def span(number: int, state: str, priority: int) -> dict[str, object]:
        ids = {"traceId": f"{number:032x}", "spanId": f"{number:016x}"}
        return ids | {
            "name": "x",
            "traceState": state,
            "attributes": [{"key": "sampling.priority", "value": {"intValue": str(priority)}}],
        }

    spans = [span(1, "ot=th:c", 1), span(2, "ot=th:c;rv:abcdef01234567", 1), span(3, "", 1)]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}

    sampling = scan([DocumentPayload("test", document)], dialects()).graph.coverage.sampling

    assert sampling == {
        "tracestate ot=th:c (keeps 0.25 of all traces)": 2,
        "sampling.priority=1": 3,
    }
