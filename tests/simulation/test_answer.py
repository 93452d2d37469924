"""Whole sentences of answers: what a reader sees first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.answer import Answer, answer
from agentguard.simulation.model import (
    Assumptions,
    BlastRadius,
    GameDay,
    Hosted,
    ImpactedComponent,
    ImpactedWorkflow,
    Interval,
    Method,
    Money,
    Precedent,
    RescuePrecedent,
    Scenario,
    SimulationResult,
    Thresholds,
)
from agentguard.simulation.severities import Severity
from agentguard.simulation.wording import expected, money, percent, percent_range

NAMES = {
    "agent:checkout": "CheckoutAgent",
    "agent:recommendation": "RecommendationAgent",
    "agent:payment": "PaymentAgent",
    "agent:fraud": "FraudAgent",
    "model:mini": "gpt-4o-mini",
    "model:llama": "llama-3.3-70b",
    "model:qwen": "qwen-3",
    "service:payments": "payments",
}
NO_MONEY = Money(None, "No catalog is configured.", None, None, None)
TOOK_OVER = RescuePrecedent("agent:checkout", "model:mini", "model:llama", 9, 9, 51.0)


def workflow(
    name: str,
    seen: int,
    lost: float,
    low: float | None = None,
    high: float | None = None,
    failed: int = 0,
) -> ImpactedWorkflow:
    interval = None if low is None or high is None else Interval(low, high, "predictive")
    share = lost / seen if seen else 0.0
    return ImpactedWorkflow(
        f"workflow:{name}", name, "e", "", "r", seen, failed, lost, share, interval, ()
    )


def result(
    *workflows: ImpactedWorkflow,
    failed: tuple[str, ...] = ("model:mini",),
    hosted: tuple[Hosted, ...] = (),
    spared: tuple[ImpactedWorkflow, ...] = (),
    hit: tuple[str, ...] = (),
    method: Method = Method.REPLAY,
    value: Money = NO_MONEY,
    game_days: tuple[GameDay, ...] = (),
    **assumed: Any,
) -> SimulationResult:
    every = (*workflows, *spared)
    lost, seen = sum(w.runs_lost for w in every), sum(w.runs_seen for w in every)
    assumptions = Assumptions(**{"calls_failed": 60} | assumed)
    components = tuple(ImpactedComponent(c, c, ComponentKind.AGENT, ()) for c in hit)
    return SimulationResult(
        scenario=Scenario(failed, hosted),
        method=method,
        seed=0,
        graph_version="1",
        thresholds=Thresholds(),
        components=components,
        workflows=workflows,
        spared=spared,
        workflows_seen=len(every),
        degraded=(),
        structural_components=(),
        structural_workflows=(),
        blast_radius=BlastRadius(1.0, lost, seen, 0, 5, lost / seen if seen else None, 0.0),
        severity=Severity.HIGH,
        severity_reason="",
        worst_workflow=None,
        money=value,
        observed_seconds=None,
        assumptions=assumptions if method is Method.REPLAY else None,
        game_days=game_days,
    )


def euros(amount: float, reason: str | None = None) -> Money:
    return Money(amount, reason, None, None, "EUR")


def said(found: SimulationResult, *groups: str) -> Answer:
    return answer(found, NAMES, groups)


CHECKOUT = workflow("Checkout", 10, 9, 0.82, 1)

SENTENCES = {
    "a whole number, its range, no fallback, money": (
        result(CHECKOUT, value=euros(3955)),
        (
            "If gpt-4o-mini fails, 9 of 10 runs of Checkout are lost (82–100 %); no fallback"
            " was seen; 3,955 EUR in this window."
        ),
    ),
    "an expectation is about a number": (
        result(workflow("Checkout", 1000, 861.4, 0.8, 0.9)),
        (
            "If gpt-4o-mini fails, about 861 of 1,000 runs of Checkout are lost (80–90 %); no"
            " fallback was seen."
        ),
    ),
    "almost all is not all": (
        result(workflow("Checkout", 40, 39.8, 0.9, 1)),
        (
            "If gpt-4o-mini fails, about 39.8 of 40 runs of Checkout are lost (90–100 %); no"
            " fallback was seen."
        ),
    ),
    "all runs, certainly": (
        result(workflow("Checkout", 1200, 1200, 1, 1)),
        "If gpt-4o-mini fails, all 1,200 runs of Checkout are lost; no fallback was seen.",
    ),
    "one run": (
        result(workflow("Checkout", 10, 1, 0, 0.3)),
        "If gpt-4o-mini fails, 1 of 10 runs of Checkout is lost (0–30 %); no fallback was seen.",
    ),
    "the only run": (
        result(workflow("Checkout", 1, 1, 0.2, 1)),
        "If gpt-4o-mini fails, the only run of Checkout is lost (20–100 %); no fallback was seen.",
    ),
    "perhaps the only run": (
        result(workflow("Checkout", 1, 0.9, 0, 1)),
        (
            "If gpt-4o-mini fails, the only run of Checkout is lost with a probability of 90"
            " %; no fallback was seen."
        ),
    ),
    "the rest had failed anyway": (
        result(workflow("Checkout", 40, 37, 0.78, 1, failed=3)),
        (
            "If gpt-4o-mini fails, 37 of 40 runs of Checkout are lost (78–100 %; the others"
            " had failed without it); no fallback was seen."
        ),
    ),
    "two workflows": (
        result(CHECKOUT, workflow("Chat", 50, 3, 0.02, 0.14)),
        (
            "If gpt-4o-mini fails, 9 of 10 runs of Checkout (82–100 %) and 3 of 50 runs of"
            " Chat (2–14 %) are lost; no fallback was seen."
        ),
    ),
    "a workflow that loses next to nothing": (
        result(CHECKOUT, workflow("Chat", 50, 0.2, 0, 0.02)),
        (
            "If gpt-4o-mini fails, 9 of 10 runs of Checkout are lost (82–100 %), and hardly"
            " any runs of Chat (0–2 %); no fallback was seen."
        ),
    ),
    "only next to nothing": (
        result(workflow("Chat", 50, 0.2, 0, 0.02), value=euros(0.4)),
        "If gpt-4o-mini fails, hardly any runs of Chat are lost (0–2 %); 0.40 EUR in this window.",
    ),
    "many workflows": (
        result(*(workflow(f"W{n}", 100, 10.0 * n, 0.1, 0.5) for n in range(5, 0, -1))),
        (
            "If gpt-4o-mini fails, 150 of 500 runs are lost in 5 workflows, worst in W5: 50"
            " of 100 (10–50 %); no fallback was seen."
        ),
    ),
    "a fallback took over": (
        result(workflow("Checkout", 100, 4, 0.01, 0.09), rescues=(TOOK_OVER,)),
        "If gpt-4o-mini fails, 4 of 100 runs of Checkout are lost (1–9 %).",
    ),
    "some of the value is unknown": (
        result(CHECKOUT, value=euros(39.551, "The catalog has no value_per_run for Chat.")),
        (
            "If gpt-4o-mini fails, 9 of 10 runs of Checkout are lost (82–100 %); no fallback"
            " was seen; at least 39.55 EUR in this window."
        ),
    ),
    "nothing lost, surely": (
        result(spared=(workflow("Checkout", 10, 0, 0, 0),)),
        "If gpt-4o-mini fails, no run is expected to be lost.",
    ),
    "nothing lost, probably": (
        result(spared=(workflow("Checkout", 90, 0, 0, 0.034),)),
        "If gpt-4o-mini fails, no run is expected to be lost (at most 3 % of runs).",
    ),
    "nothing lost in two workflows": (
        result(spared=(workflow("A", 90, 0, 0, 0.034), workflow("B", 9, 0, 0, 0.3))),
        (
            "If gpt-4o-mini fails, no run is expected to be lost (at most 30 % of the runs of"
            " any workflow)."
        ),
    ),
    "two components": (
        result(CHECKOUT, failed=("model:llama", "model:mini")),
        (
            "If llama-3.3-70b and gpt-4o-mini fail together, 9 of 10 runs of Checkout are"
            " lost (82–100 %); no fallback was seen."
        ),
    ),
    "many components": (
        result(CHECKOUT, failed=tuple(f"tool:{n}" for n in range(5))),
        (
            "If tool:0, tool:1, tool:2 and 2 other components fail together, 9 of 10 runs of"
            " Checkout are lost (82–100 %); no fallback was seen."
        ),
    ),
    "the worst case": (
        result(workflow("Checkout", 10, 9, failed=1), method=Method.STRUCTURAL),
        (
            "If gpt-4o-mini fails and nothing absorbs it, 9 of 10 runs of Checkout are lost (the"
            " other had failed without it)."
        ),
    ),
    "the worst case is nothing": (
        result(spared=(workflow("Checkout", 10, 0),), method=Method.STRUCTURAL),
        "If gpt-4o-mini fails and nothing absorbs it, no run is lost.",
    ),
    "no runs": (
        result(workflow("Checkout", 0, 0), workflow("Chat", 0, 0), method=Method.STRUCTURAL),
        (
            "If gpt-4o-mini fails and nothing absorbs it, Checkout and Chat fail too; no runs were"
            " recorded, so how many are lost is unknown."
        ),
    ),
    "no runs and no workflow": (
        result(method=Method.STRUCTURAL),
        "If gpt-4o-mini fails and nothing absorbs it, no workflow fails; no runs were recorded.",
    ),
}


@pytest.mark.parametrize(("found", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_the_first_sentence_is_the_answer(found, sentence):
    assert said(found).sentence == sentence


def test_a_group_is_named_as_the_group_with_its_size():
    two = result(CHECKOUT, failed=("model:llama", "model:mini"))

    assert said(two, "provider:openai").sentence.startswith(
        "If provider:openai fails (2 components), 9 of 10"
    )
    assert said(two, "provider:a", "provider:b").sentence.startswith(
        "If provider:a and provider:b fail (2 components), 9 of 10"
    )


def precedent(source: str, target: str, absorbed: float, seen: float, **more: Any) -> Precedent:
    survives = absorbed / seen if seen else 0.5
    return Precedent(source, target, absorbed, seen, 10, **{"survives": survives} | more)


def recommendation(absorbed: float, seen: float, **more: Any) -> Precedent:
    return precedent("agent:checkout", "agent:recommendation", absorbed, seen, **more)


REASONS = {
    "survived all": (recommendation(14, 14), "survived all 14 earlier failures of"),
    "survived most": (recommendation(14, 15), "survived 14 of 15 earlier failures of"),
    "survived none": (recommendation(0, 7), "survived none of 7 earlier failures of"),
    "survived both": (recommendation(2, 2), "survived both earlier failures of"),
    "survived neither": (recommendation(0, 2), "survived neither earlier failure of"),
    "survived one": (recommendation(1, 1), "survived the only earlier failure of"),
    "not survived": (recommendation(0, 1), "did not survive the only earlier failure of"),
    "partly counted": (recommendation(1.4, 3.6), "survived about 1 of about 4 earlier failures of"),
}


@pytest.mark.parametrize(("known", "words"), REASONS.values(), ids=REASONS)
def test_earlier_failures_are_the_reason(known, words):
    found = result(CHECKOUT, failed=("agent:recommendation",), precedents=(known,))

    assert said(found).decided_by == (f"CheckoutAgent {words} RecommendationAgent.",)


def test_what_the_catalog_declares_is_said_to_be_declared():
    survives, fails = (
        recommendation(0, 0, survives=chance, declared=True) for chance in (1.0, 0.0)
    )

    lines = [
        said(result(CHECKOUT, failed=("agent:recommendation",), precedents=(each,))).decided_by
        for each in (survives, fails)
    ]

    assert lines == [
        ("CheckoutAgent survives without RecommendationAgent: so the catalog declares.",),
        ("CheckoutAgent fails without RecommendationAgent: so the catalog declares.",),
    ]


def test_reasons_follow_the_failure_and_end_where_it_is_survived():
    chain = (
        precedent("agent:checkout", "agent:payment", 5, 5),
        precedent("agent:payment", "agent:fraud", 0, 3),
        precedent("agent:recommendation", "agent:checkout", 0, 4),
        precedent("agent:fraud", "model:mini", 0, 8),
    )

    assert said(result(CHECKOUT, precedents=chain)).decided_by == (
        "FraudAgent survived none of 8 earlier failures of gpt-4o-mini.",
        "PaymentAgent survived none of 3 earlier failures of FraudAgent.",
        "CheckoutAgent survived all 5 earlier failures of PaymentAgent.",
    )


RESCUES = {
    "all worked": (
        (TOOK_OVER,),
        ("llama-3.3-70b took over 51 calls because 9 of 9 earlier rescues worked.",),
    ),
    "one of one, one call": (
        (replace(TOOK_OVER, rescued=1, tried=1, calls=1.0),),
        ("llama-3.3-70b took over 1 call because the only earlier rescue worked.",),
    ),
    "an expectation": (
        (replace(TOOK_OVER, rescued=6, tried=8, calls=26.3),),
        ("llama-3.3-70b took over about 26 calls because 6 of 8 earlier rescues worked.",),
    ),
    "none worked": (
        (replace(TOOK_OVER, rescued=0, tried=3, calls=0.4),),
        ("llama-3.3-70b could take over from gpt-4o-mini, but all 3 earlier rescues failed.",),
    ),
    "two fallbacks of one primary": (
        (TOOK_OVER, replace(TOOK_OVER, secondary="model:qwen", rescued=1, tried=2)),
        ("llama-3.3-70b and qwen-3 took over 51 calls because 10 of 11 earlier rescues worked.",),
    ),
    "two callers": (
        (TOOK_OVER, replace(TOOK_OVER, owner="agent:payment", rescued=2, tried=2, calls=7.0)),
        (
            (
                "llama-3.3-70b took over 51 calls of CheckoutAgent because 9 of 9 earlier"
                " rescues worked."
            ),
            (
                "llama-3.3-70b took over 7 calls of PaymentAgent because 2 of 2 earlier"
                " rescues worked."
            ),
        ),
    ),
}


@pytest.mark.parametrize(("rescues", "lines"), RESCUES.values(), ids=RESCUES)
def test_fallbacks_are_the_first_reason(rescues, lines):
    assert said(result(CHECKOUT, rescues=rescues)).decided_by == lines


def test_what_runs_in_a_failed_service_is_said_to_fail_with_it():
    hosted = tuple(Hosted(c, "service:payments") for c in ("agent:fraud", "agent:payment"))
    two, one = (result(CHECKOUT, failed=("service:payments",), hosted=hosted[:n]) for n in (2, 1))

    assert said(two).decided_by == (
        "FraudAgent and PaymentAgent run in payments and fail with it.",
    )
    assert said(one).decided_by == ("FraudAgent runs in payments and fails with it.",)


def test_a_component_that_was_never_called_is_said_to_be_unused():
    unused = result(spared=(workflow("Checkout", 10, 0, 0, 0.1),), calls_failed=0)

    assert said(unused).decided_by == ("No successful run of this window called it.",)


def test_a_dependency_without_recorded_calls_is_taken_to_be_needed():
    silent = result(CHECKOUT, calls_failed=0, without_calls=(("agent:fraud", "model:mini"),))

    assert said(silent).decided_by == (
        "No call of FraudAgent to gpt-4o-mini was recorded: each of its runs is taken to need it.",
    )


def game_day(low: float | None, high: float | None, narrows: float = 0.9) -> GameDay:
    return GameDay("agent:checkout", "agent:recommendation", 10, 0.3, low, high, narrows)


UNSEEN = "depends on whether CheckoutAgent survives without RecommendationAgent; nobody has seen"
GAME_DAYS = {
    "all or nothing": ((game_day(0, 100),), f"0 or 100 of 100 runs: {UNSEEN} that fail."),
    "expectations": ((game_day(25.2, 37.4),), f"About 25 or 37 of 100 runs: {UNSEEN} that fail."),
    "one end unknown": ((game_day(None, 60),), f"That {UNSEEN} that fail."),
    "next to nothing": ((game_day(0.1, 5),), f"Hardly any or 5 of 100 runs: {UNSEEN} that fail."),
    "ends that read the same": ((game_day(60.1, 60.2), game_day(59.9, 60)), None),
    "one more": (
        (game_day(0, 100), game_day(1, 2, 0.06)),
        f"0 or 100 of 100 runs: {UNSEEN} that fail. One more such dependency matters.",
    ),
    "more": (
        (game_day(0, 100), game_day(1, 2, 0.06), game_day(1, 2, 0.05)),
        f"0 or 100 of 100 runs: {UNSEEN} that fail. 2 more such dependencies matter.",
    ),
    "of no weight": ((game_day(0, 1, 0.01),), None),
    "none": ((), None),
}


@pytest.mark.parametrize(("days", "line"), GAME_DAYS.values(), ids=GAME_DAYS)
def test_what_nobody_has_seen_is_named_with_what_it_decides(days, line):
    found = result(workflow("Checkout", 100, 60, 0, 1), game_days=days)

    assert said(found).undecided == line


@given(seen=st.integers(1, 10**6), share=st.floats(0, 1))
def test_only_nothing_reads_none_and_only_everything_reads_all(seen, share):
    lost = share * seen
    sentence = said(result(workflow("Checkout", seen, lost, 0, 1))).sentence

    assert ("no run is expected" in sentence) == (lost == 0)
    if "all " in sentence or "both runs" in sentence:
        assert lost == pytest.approx(seen, abs=1e-8)


@pytest.mark.parametrize(
    ("number", "of", "text"),
    [
        (0, 10, "0"),
        (9, 10, "9"),
        (8.6, 10, "about 9"),
        (9.97, 10, "about 9.9"),
        (0.3, 100, "about 0.3"),
        (0.04, 100, "fewer than 0.1"),
        (1234567.2, 2e6, "about 1,234,567"),
    ],
)
def test_expectations_never_round_to_none_or_all(number, of, text):
    assert expected(number, of) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"),
        (1, "100"),
        (0.996, "99.6"),
        (0.99999, "99.9"),
        (0.823, "82"),
        (0.004, "0.4"),
        (0.0004, "<0.1"),
    ],
)
def test_shares_never_round_to_none_or_all(share, text):
    assert percent(share) == text


def test_a_range_with_equal_ends_is_one_share():
    assert percent_range(0.821, 0.823) == "82 %"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1234567.8, "1,234,568 EUR"),
        (40.0, "40 EUR"),
        (39.551, "39.55 EUR"),
        (0.001, "less than 0.01 EUR"),
    ],
)
def test_amounts_never_round_to_nothing(amount, text):
    assert money(amount, "EUR") == text
