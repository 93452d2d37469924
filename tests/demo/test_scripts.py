from __future__ import annotations

from demo.scripts import Answer, CallTool, Step, ToolResult, next_move

ORDER = {"id": "order-1", "loyal": False}


def test_an_agent_takes_its_steps_in_order() -> None:
    steps = (Step(("look",)), Step(("pay",)))

    assert next_move(steps, ORDER, []) == CallTool("look", ORDER, None)
    assert next_move(steps, ORDER, [ToolResult("look", succeeded=True)]) == CallTool(
        "pay", ORDER, None
    )


def test_after_a_failure_the_next_tool_of_the_step_is_tried_and_says_what_it_stands_in_for() -> (
    None
):
    steps = (Step(("north", "south")),)

    assert next_move(steps, ORDER, [ToolResult("north", succeeded=False)]) == CallTool(
        "south", ORDER, "north"
    )


def test_a_required_step_without_success_makes_the_agent_give_up() -> None:
    move = next_move(
        (Step(("north", "south")), Step(("ship",))),
        ORDER,
        [ToolResult("north", False), ToolResult("south", False)],
    )

    assert isinstance(move, Answer)
    assert move.text.startswith("FAILED")


def test_an_optional_step_without_success_is_passed_over() -> None:
    steps = (Step(("recommend",), optional=True), Step(("ship",)))

    assert next_move(steps, ORDER, [ToolResult("recommend", succeeded=False)]) == CallTool(
        "ship", ORDER, None
    )


def test_steps_that_do_not_apply_are_left_out() -> None:
    steps = (Step(("coupon",), when="loyal"), Step(("greet",), unless="id"), Step(("ship",)))

    assert next_move(steps, ORDER, []) == CallTool("ship", ORDER, None)


def test_a_step_adds_to_the_task_it_hands_on() -> None:
    assert next_move((Step(("ask",), adds={"short": True}),), ORDER, []) == CallTool(
        "ask", {**ORDER, "short": True}, None
    )


def test_after_the_last_step_the_agent_answers() -> None:
    move = next_move((Step(("look",)),), ORDER, [ToolResult("look", succeeded=True)])

    assert isinstance(move, Answer)
    assert not move.text.startswith("FAILED")
