"""Messages: all links count, a re-delivery does not count again, and who waits is told."""

from __future__ import annotations

import pytest

from agentguard.graph.model import Dependency, Graph
from agentguard.graph.runs import Runs
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.scan.test_pipeline import CONSUMER, PRODUCER, Recorder, edge, linked


def delivered(*outcomes: bool, spans_apart: bool = True) -> Recorder:
    """One message of boss, processed by hand once for each outcome (True: failed)."""
    r = Recorder()
    boss = r.agent("boss", service="a")
    sent = r.span("send jobs", boss, kind=PRODUCER, service="a", messaging__destination__name="q")
    first = r.trace
    for number, failed in enumerate(outcomes, 1):
        r.trace = f"d{number}" if spans_apart else first
        parent = "" if spans_apart else sent
        got = r.span(
            "process q", parent, kind=CONSUMER, service="b", messaging__destination__name="q"
        )
        r.agent("hand", got, service="b", failed=failed)
        if spans_apart:
            linked(r, got, f"t{first}", sent)
    return r


def message(graph: Graph) -> Dependency:
    return edge(graph, "agent:boss", "agent:hand")


@pytest.mark.parametrize("spans_apart", [True, False])
@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ([False], (1, 0, 0, 0, 0)),
        ([True], (1, 1, 0, 1, 0)),
        ([True, False], (1, 1, 1, 0, 1)),
        ([True, True, False], (1, 1, 1, 0, 2)),
        ([True, True], (1, 1, 0, 1, 1)),
        ([False, False], (2, 0, 0, 0, 0)),
    ],
)
def test_a_message_that_is_delivered_again_counts_once(
    outcomes: list[bool], counts: tuple[int, ...], *, spans_apart: bool
) -> None:
    """After a success it is another message: one span can send several."""
    found = message(delivered(*outcomes, spans_apart=spans_apart).graph())

    assert (found.calls, found.errors, found.absorbed, found.propagated, found.retries) == counts


def test_every_delivery_is_an_invocation_of_the_receiver() -> None:
    graph = delivered(True, False).graph()
    (hand,) = [c for c in graph.components if c.id == "agent:hand"]

    assert (hand.invocations, hand.errors) == (2, 1)
    assert [(w.runs, w.failed) for w in graph.workflows] == [(1, 0)]


def test_the_runs_say_which_delivery_made_the_failure_good() -> None:
    runs = runs_of(delivered(True, False))
    rescued = runs.calls.column("rescued_by").to_pylist()

    assert [row for row in rescued if row >= 0] == [rescued.index(max(rescued)) + 1]


def test_a_caller_that_outlasts_the_call_waits() -> None:
    r = Recorder()
    boss = r.agent("boss")
    r.tool("search", boss)
    r.spans["app"][0]["endTimeUnixNano"] = r.spans["app"][1]["endTimeUnixNano"]
    found = edge(r.graph(), "agent:boss", "tool:app/search")

    assert (found.waited_calls, found.passed_control_calls) == (1, 0)


def test_a_receiver_that_starts_after_the_sender_has_ended_got_control() -> None:
    found = message(delivered(False).graph())

    assert (found.waited_calls, found.passed_control_calls) == (0, 1)


def runs_of(r: Recorder) -> Runs:
    return scan([r.payload()], dialects()).runs


def published(*ids: tuple[str, bool], **more: str) -> Recorder:
    """Messages that one span sent, each received by a service without an agent."""
    r = Recorder()
    boss = r.agent("boss", service="a")
    sent = r.span("publish q", boss, kind=PRODUCER, service="a", messaging__destination__name="q")
    for number, (message_id, failed) in enumerate(ids, 1):
        r.trace = f"d{number}"
        got = r.span(
            "process q",
            kind=CONSUMER,
            service="billing",
            failed=failed,
            messaging__destination__name="q",
            messaging__message__id=message_id,
            **more,
        )
        linked(r, got, "t1", sent)
    return r


@pytest.mark.parametrize(
    ("ids", "counts"),
    [
        ([("m0", True), ("m1", False), ("m2", False)], (3, 1, 0)),
        ([("m0", True), ("m0", False)], (1, 1, 1)),
        ([("m0", True), ("m1", False), ("m0", False)], (2, 1, 1)),
    ],
)
def test_messages_with_ids_are_told_apart(
    ids: list[tuple[str, bool]], counts: tuple[int, ...]
) -> None:
    graph = published(*ids).graph()
    found = edge(graph, "agent:boss", "service:billing")
    delivered_by_queue = edge(graph, "queue:q", "service:billing")

    assert (found.calls, found.errors, found.retries) == counts
    assert (delivered_by_queue.calls, delivered_by_queue.retries) == (counts[0], counts[2])


def test_a_call_at_the_very_end_of_its_caller_is_not_both() -> None:
    r = Recorder()
    boss = r.agent("boss")
    r.tool("search", boss)
    first, second = r.spans["app"]
    second["startTimeUnixNano"] = second["endTimeUnixNano"] = first["endTimeUnixNano"]
    found = edge(r.graph(), "agent:boss", "tool:app/search")

    assert (found.waited_calls, found.passed_control_calls) == (1, 0)
