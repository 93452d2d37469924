"""Every share of runs has the same denominator."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from agentguard.analysis.impact import impacts
from agentguard.analysis.spofs import spofs
from agentguard.graph.runs import RUN_SCHEMA, Runs, no_runs
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, WorkflowRuns
from agentguard.simulation.workflow_runs import workflow_runs
from tests.graph.handmade import CHECKOUT, shop

WORKFLOW = "workflow:checkout"


def recorded(*failed: bool) -> Runs:
    table = pa.table(
        [
            [str(number) for number in range(len(failed))],
            pa.array([WORKFLOW] * len(failed)).dictionary_encode(),
            list(failed),
            [1] * len(failed),
            [1] * len(failed),
        ],
        schema=RUN_SCHEMA,
    )
    return replace(no_runs(), runs=table)


def test_recorded_runs_are_counted_where_there_are_any() -> None:
    assert workflow_runs(shop(), recorded(True, False, False)) == {WORKFLOW: WorkflowRuns(3, 1)}


def test_without_recorded_runs_those_inside_other_runs_are_left_out() -> None:
    (workflow,) = shop().workflows
    graph = replace(shop(), workflows=(replace(workflow, nested=9),))

    assert workflow_runs(graph, None) == {WORKFLOW: WorkflowRuns(1, 1)}


def test_simulation_and_single_points_of_failure_count_the_same_runs() -> None:
    runs = recorded(True, False, False, False)

    (simulated,) = simulate(shop(), runs, [CHECKOUT.id], method=Method.STRUCTURAL).workflows
    (found,) = next(
        s.workflows
        for s in spofs(shop(), impacts(shop(), runs, seed=0))
        if s.component == CHECKOUT.id
    )

    assert (simulated.runs_seen, simulated.runs_failed, simulated.runs_lost) == (4, 1, 3)
    assert (found.runs_seen, found.runs_failed) == (4, 1)
