"""What the scripted model says.

For each agent, the steps that it takes, and what it tries when one fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAILED = "FAILED"
"""Prefix of the final answer of an agent that gives up."""
ERROR = "ERROR"
"""Prefix of the result of a failed tool."""

WRONG = "wrong"
"""Key of a task that was made from a wrong result: who works on it answers wrongly too."""
_WRONG_TEXT = f"{WRONG}=True"
_TRACE = re.compile(rf'(, )?\\*"{WRONG}\\*": true|(, |; ){_WRONG_TEXT}')

Task = Mapping[str, Any]


def spoilt(text: str) -> str:
    """Return the text as a wrong one."""
    return text if is_wrong(text) else f"{text}; {_WRONG_TEXT}"


def is_wrong(text: str) -> bool:
    """Whether the text is wrong or was made from something wrong."""
    return _WRONG_TEXT in text


def without_wrong(conversation: str) -> str:
    """Return a conversation, as JSON, as it would be if nothing in it were wrong.

    What is drawn from its digest then does not depend on what is wrong in it.
    """
    return _TRACE.sub("", conversation)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an agent: a call of a tool or, alike to the model, of another agent."""

    tools: tuple[str, ...]
    """Tried in this order until one succeeds; the same name twice is a retry, another name a
    fallback.
    """
    optional: bool = False
    """Whether the agent continues after all of them failed."""
    when: str | None = None
    """Only for tasks in which this key is true."""
    unless: str | None = None
    """Not for tasks in which this key is true."""
    adds: Mapping[str, Any] = field(default_factory=dict)
    """What the agent adds to the task that it passes on."""

    def applies_to(self, task: Task) -> bool:
        """Whether an agent with this task takes the step."""
        return (self.when is None or bool(task.get(self.when))) and not (
            self.unless and task.get(self.unless)
        )


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of an earlier tool call of the conversation."""

    tool: str
    succeeded: bool
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class CallTool:
    """The model asks for a tool."""

    tool: str
    arguments: Task
    instead_of: str | None
    """The tool that just failed in the same step."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's final answer."""

    text: str


def next_move(
    steps: Sequence[Step], task: Task, results: Iterable[ToolResult]
) -> CallTool | Answer:
    """Return what the model does after these results: a pure function of the conversation."""
    past = iter(results)
    for step in steps:
        if step.applies_to(task):
            move = _within(step, task, past)
            if move is not None:
                return move
    return Answer("Done: " + ", ".join(f"{key}={value}" for key, value in sorted(task.items())))


def _within(step: Step, task: Task, past: Iterator[ToolResult]) -> CallTool | Answer | None:
    failed: str | None = None
    for tool in step.tools:
        result = next(past, None)
        if result is None:
            return CallTool(tool, {**task, **step.adds}, failed)
        if result.succeeded:
            return None
        failed = tool
    return None if step.optional else Answer(f"{FAILED}: {failed} did not work")
