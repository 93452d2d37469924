"""What anchors have cost, and what health tells about the log."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agentguard.audit.anchor_documents import costs_document
from agentguard.audit.anchor_standing import Standing
from agentguard.audit.anchoring import Anchor, AnchorState, Problem, Receipt
from agentguard.audit.service import SequencingProgress
from agentguard.bootstrap.audit_health import AuditCondition, anchor_remark, log_remark
from agentguard.kernel.clock import NS_PER_SECOND
from tests.audit.logs import Log, receipt

SIGNED = Log.of(3).signed()
NOW = 1_800_000_000 * NS_PER_SECOND
DAY = 24 * 3600
START = 1_700_000_000


def settled(day: float, cost: int, chain_id: int = 80_002) -> Anchor:
    anchored = receipt(SIGNED, block_time=START + int(day * DAY), chain_id=chain_id)
    return Anchor(
        3, SIGNED.note.encode(), NOW, AnchorState.FINALISED, receipt=Receipt(anchored, 1, cost)
    )


def test_costs_are_those_of_the_receipts():
    anchors = [settled(0, 10**16), settled(1, 2 * 10**16), settled(2, 3 * 10**16)]
    (found,) = costs_document(anchors, 3600)["chains"]

    assert found == {
        "chain": "Polygon Amoy",
        "chain_id": 80_002,
        "unit": "POL",
        "anchors": 3,
        "total": "0.060000000000000000",
        "per_anchor": "0.020000000000000000",
        "last": "0.030000000000000000",
        "per_month": "0.750000000000000000",  # 0.05 in two days, after the first
        "per_month_note": None,
        "per_month_at_most": "14.400000000000000000",  # 720 hours
    }


def test_the_pace_of_one_anchor_is_unknown():
    (found,) = costs_document([settled(0, 10**16)], 3600)["chains"]

    assert found["per_month"] is None
    assert "at least two anchors" in found["per_month_note"]


def test_chains_are_counted_apart_each_in_its_coin():
    anchors = [settled(0, 1), settled(0, 2, chain_id=137), settled(0, 4, chain_id=31_337)]
    found = costs_document(anchors, 3600)["chains"]

    assert [(c["chain"], c["unit"], c["total"][-1]) for c in found] == [
        ("Polygon", "POL", "2"),
        ("chain 31337", "ETH", "4"),
        ("Polygon Amoy", "POL", "1"),
    ]


def test_without_a_receipt_no_cost_is_known():
    given_up = replace(settled(0, 1), receipt=None, state=AnchorState.FAILED)

    assert costs_document([given_up], 3600)["chains"] == []


@given(costs=st.lists(st.integers(0, 10**20), min_size=1, max_size=20))
def test_the_total_is_exact(costs):
    anchors = [settled(day, cost) for day, cost in enumerate(costs)]
    (found,) = costs_document(anchors, 3600)["chains"]

    assert int(found["total"].replace(".", "")) == sum(costs)


def standing(**changes) -> Standing:
    known = {
        "on_chain": True,
        "place": None,
        "size": 3,
        "open": None,
        "last": None,
        "failed": None,
        "anchors": (),
        "published": None,
        "publishing_problem": None,
    }
    return Standing(**{**known, **changes})


def condition(pending: int, age: float | None, *, failing: bool = False) -> AuditCondition:
    at = None if age is None else NOW - int(age * NS_PER_SECOND)
    return AuditCondition(SequencingProgress(pending, at), standing(), failing, NOW)


def test_health_tells_only_of_entries_that_wait_for_too_long():
    assert log_remark(condition(0, 10**6)) is None
    assert log_remark(condition(3, 1)) is None
    assert (
        log_remark(condition(3, 61)) == "3 entries are pending; the newest checkpoint is 61 s old."
    )
    assert "sequencing failed" in str(log_remark(condition(3, 1, failing=True)))


def test_health_tells_codes_and_no_messages():
    problem = Problem("chain-unavailable", "The RPC endpoint at rpc.internal is unreachable.")
    waiting = replace(settled(0, 1), state=AnchorState.PENDING, receipt=None, problem=problem)
    told = str(anchor_remark(standing(open=waiting, anchors=(waiting,))))

    assert "chain-unavailable" in told
    assert "rpc.internal" not in told
    assert anchor_remark(standing()) is None
