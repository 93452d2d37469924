"""Failures that another run made good.

The work done again on another model, or passed on to another agent.
"""

from __future__ import annotations

from agentguard.graph.model import Fallback, FallbackMode, Graph
from tests.scan.test_pipeline import CONSUMER, PRODUCER, Recorder


def run(r: Recorder, trace: str, model: str, *, failed: bool = False) -> None:
    r.trace = trace
    r.model(model, r.agent("planner", failed=failed), failed=failed)


def fallbacks(graph: Graph) -> list[tuple[str, str, str, int, FallbackMode]]:
    return [(f.owner, f.primary, f.secondary, f.count, f.fallback_mode) for f in graph.fallbacks]


def test_a_run_done_again_on_another_model_is_a_fallback_of_its_caller() -> None:
    r = Recorder()
    for number in range(2):
        run(r, f"{number}a", "big", failed=True)
        run(r, f"{number}b", "small")
    run(r, "ok", "big")

    assert fallbacks(r.graph()) == [
        ("agent:planner", "model:big", "model:small", 2, FallbackMode.NEXT_RUN)
    ]


def test_one_such_sequence_between_traces_may_be_chance() -> None:
    r = Recorder()
    run(r, "1", "big", failed=True)
    run(r, "2", "small")

    assert fallbacks(r.graph()) == []


def test_a_model_that_is_mostly_used_without_a_failure_is_no_fallback() -> None:
    r = Recorder()
    for number in range(2):
        run(r, f"{number}a", "big", failed=True)
        run(r, f"{number}b", "small")
    for number in range(3):
        run(r, f"{number}c", "small")

    assert fallbacks(r.graph()) == []


def test_a_failure_that_the_callers_run_survived_asks_for_no_other_run() -> None:
    r = Recorder()
    for number in range(2):
        r.trace = f"{number}a"
        planner = r.agent("planner")
        r.model("big", planner, failed=True)
        r.tool("look_up", planner)
        run(r, f"{number}b", "small")

    assert fallbacks(r.graph()) == []


def test_within_one_trace_one_repetition_is_enough() -> None:
    r = Recorder()
    root = r.span(
        "invoke_workflow trips",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name="trips",
    )
    r.model("big", r.agent("planner", root, failed=True), failed=True)
    r.model("small", r.agent("planner", root))

    assert fallbacks(r.graph()) == [
        ("agent:planner", "model:big", "model:small", 1, FallbackMode.NEXT_RUN)
    ]


def passed_on(r: Recorder, *, failed: bool) -> None:
    mixer = r.agent("mixer", service="mixing")
    recorder = r.agent(
        "recorder",
        r.span("receive", mixer, kind=CONSUMER, service="recording"),
        failed=failed,
        service="recording",
    )
    sent = r.span(
        "send", recorder, kind=PRODUCER, service="recording", messaging__destination__name="spare"
    )
    r.agent(
        "spare_recorder", r.span("receive", sent, kind=CONSUMER, service="spare"), service="spare"
    )


def test_an_agent_that_failing_runs_pass_their_work_on_to_stands_in_for_them() -> None:
    r = Recorder()
    passed_on(r, failed=True)

    assert fallbacks(r.graph()) == [
        ("agent:mixer", "agent:recorder", "agent:spare_recorder", 1, FallbackMode.PASSED_ON)
    ]


def test_an_agent_that_gets_work_from_runs_that_succeed_is_no_stand_in() -> None:
    r = Recorder()
    passed_on(r, failed=True)
    r.trace = "2"
    passed_on(r, failed=False)

    assert fallbacks(r.graph()) == []


def test_a_stand_in_is_found_whatever_the_evidence() -> None:
    r = Recorder()
    passed_on(r, failed=True)
    found: Fallback = r.graph().fallbacks[0]

    assert found.evidence
    assert found.rescued == 1


def test_a_workflow_inside_another_has_runs_of_its_own() -> None:
    r = Recorder()
    for trace in ("1", "2"):
        r.trace = trace
        outer = r.span(
            "invoke_workflow week",
            gen_ai__operation__name="invoke_workflow",
            gen_ai__workflow__name="week",
        )
        r.agent(
            "planner",
            r.span(
                "invoke_workflow day",
                outer,
                gen_ai__operation__name="invoke_workflow",
                gen_ai__workflow__name="day",
            ),
        )
    r.trace = "3"
    r.agent(
        "planner",
        r.span(
            "invoke_workflow day",
            gen_ai__operation__name="invoke_workflow",
            gen_ai__workflow__name="day",
        ),
    )

    flows = {w.name: (w.entry, w.runs, w.nested) for w in r.graph().workflows}

    assert flows == {"week": ("workflow:day", 2, 0), "day": ("agent:planner", 3, 2)}


def test_a_stand_in_need_not_come_next_if_it_is_only_used_so() -> None:
    r = Recorder()
    for number, broken in enumerate((True, False, False)):
        r.trace = str(number)
        planner = r.agent("planner")
        r.tool("price_parts", planner, failed=broken)
        r.tool("check_fraud", planner)
        if broken:
            r.tool("price_parts_by_catalogue", planner)

    assert fallbacks(r.graph()) == [
        (
            "agent:planner",
            "tool:app/price_parts",
            "tool:app/price_parts_by_catalogue",
            1,
            FallbackMode.SAME_RUN,
        )
    ]


def test_a_fallback_that_is_called_often_in_one_run_counts_that_run_once() -> None:
    r = Recorder()
    planner = r.agent("planner")
    r.model("big", planner, failed=True)
    for _ in range(5):
        r.model("small", planner)

    assert fallbacks(r.graph()) == [
        ("agent:planner", "model:big", "model:small", 1, FallbackMode.SAME_RUN)
    ]
