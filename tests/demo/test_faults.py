from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demo.faults import Fault, FaultPlan, chance


@given(st.integers(), st.lists(st.text()))
def test_chance_depends_on_its_arguments_alone_and_lies_in_the_unit_interval(
    seed: int, parts: list[str]
) -> None:
    assert chance(seed, *parts) == chance(seed, *parts)
    assert 0 <= chance(seed, *parts) < 1


def test_a_fault_strikes_about_its_share_of_the_tasks() -> None:
    plan = FaultPlan(7, [Fault("pay", 0.2)])

    struck = sum(plan.strike("pay", f"order-{number}") is not None for number in range(2_000))

    assert 300 < struck < 500


def test_the_order_in_which_tasks_come_changes_nothing() -> None:
    tasks = [f"order-{number}" for number in range(50)]
    first, second = (FaultPlan(7, [Fault("look", 0.4, attempts=1)]) for _ in range(2))

    forwards = {task: first.strike("look", task) is not None for task in tasks}
    backwards = {task: second.strike("look", task) is not None for task in reversed(tasks)}

    assert forwards == backwards
    assert len(set(forwards.values())) == 2


def test_a_passing_fault_lets_the_next_attempt_through() -> None:
    plan = FaultPlan(7, [Fault("look", 1.0, attempts=1)])

    assert plan.strike("look", "order-1") is not None
    assert plan.strike("look", "order-1") is None


def test_another_seed_strikes_other_tasks() -> None:
    def struck(seed: int) -> list[bool]:
        plan = FaultPlan(seed, [Fault("pay", 0.5)])
        return [plan.strike("pay", f"order-{number}") is not None for number in range(40)]

    assert struck(1) != struck(2)
