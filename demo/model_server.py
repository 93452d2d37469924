"""A scripted model behind the OpenAI chat-completions protocol.

It follows each agent's script, and fails where a fault is injected.

Nothing here is a language model. Token counts are about a quarter of the characters; a reply takes
a few milliseconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.counting import Counts
from demo.faults import Fault, FaultPlan, chance
from demo.scripts import (
    ERROR,
    WRONG,
    Answer,
    CallTool,
    Step,
    Task,
    ToolResult,
    is_wrong,
    next_move,
    spoilt,
    without_wrong,
)

_CREATED = 1_700_000_000
_DATED = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
"""Requested model → model name in the reply."""
_SECONDS = {"gpt-4o": 0.012, "gpt-4o-mini": 0.004}
"""Requested model → shortest time to a reply; the longest is three times that."""
_ERROR_TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_MARKER = re.compile(r"You are (\w+)\.")
Body = dict[str, Any]


@dataclass(slots=True)
class ModelServer:
    """The scripts of all agents, and the requests so far."""

    scripts: Mapping[str, tuple[Step, ...]]
    faults: FaultPlan
    counts: Counts = field(default_factory=Counts)

    def app(self) -> Starlette:
        """Return the ASGI app that serves the protocol."""
        return Starlette(
            routes=[
                Route("/health", _healthy),
                Route("/v1/chat/completions", self.complete, methods=["POST"]),
            ]
        )

    async def complete(self, request: Request) -> Response:
        """Answer one chat completion."""
        body: Body = await request.json()
        agent = _agent_of(body)
        if agent is None or agent not in self.scripts or body.get("model") not in _DATED:
            return _error(
                Fault("", 1, 400, f"there is no script for {agent!r} on {body.get('model')!r}")
            )
        digest = _digest_of(body)
        call = f"{agent}/{body['model']}", _task_of(body)["id"], digest
        thinking = _SECONDS[body["model"]] * (
            1 + 2 * chance(self.faults.seed, body["model"], digest)
        )
        await asyncio.sleep(thinking + self.faults.delay(*call))
        fault = self.faults.strike(*call)
        if fault:
            return _error(fault)
        return JSONResponse(self._reply(agent, body, digest, wrong=self.faults.spoils(*call)))

    def _reply(self, agent: str, body: Body, digest: str, *, wrong: bool) -> Body:
        results = _results_of(body)
        move = next_move(self.scripts[agent], _task_of(body), results)
        if wrong or any(result.wrong for result in results):
            move = _spoilt(move)
        if isinstance(move, CallTool) and move.instead_of:
            self.counts.tried_instead(
                f"agent:{agent}", self._reference(move.instead_of), self._reference(move.tool)
            )
        message = _message(move, digest)
        prompt, completion = _tokens(body["messages"]), _tokens(message)
        return {
            "id": f"chatcmpl-{digest[:24]}",
            "object": "chat.completion",
            "created": _CREATED,
            "model": _DATED[body["model"]],
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": _finish_reason(move),
                }
            ],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }

    def _reference(self, name: str) -> str:
        return f"agent:{name}" if name in self.scripts else f"tool:{name}"


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _agent_of(body: Body) -> str | None:
    found = _MARKER.match(str(body["messages"][0]["content"]))
    return found[1] if found else None


def _task_of(body: Body) -> Task:
    task: Task = json.loads(body["messages"][1]["content"])
    return task


def _results_of(body: Body) -> list[ToolResult]:
    asked = {
        call["id"]: call["function"]["name"]
        for message in body["messages"]
        for call in message.get("tool_calls") or ()
    }
    answers = [message for message in body["messages"] if message["role"] == "tool"]
    return [
        ToolResult(
            asked[answer["tool_call_id"]],
            not answer["content"].startswith(ERROR),
            is_wrong(answer["content"]),
        )
        for answer in answers
    ]


def _digest_of(body: Body) -> str:
    asked = without_wrong(json.dumps(body["messages"], sort_keys=True))
    return hashlib.sha256(asked.encode()).hexdigest()


def _spoilt(move: CallTool | Answer) -> CallTool | Answer:
    if isinstance(move, Answer):
        return Answer(spoilt(move.text))
    return CallTool(move.tool, {**move.arguments, WRONG: True}, move.instead_of)


def _message(move: CallTool | Answer, digest: str) -> Body:
    if isinstance(move, Answer):
        return {"role": "assistant", "content": move.text, "refusal": None}
    function = {"name": move.tool, "arguments": json.dumps(dict(move.arguments))}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": f"call_{digest[:24]}", "type": "function", "function": function}],
    }


def _finish_reason(move: CallTool | Answer) -> str:
    return "stop" if isinstance(move, Answer) else "tool_calls"


def _tokens(value: object) -> int:
    return max(1, len(json.dumps(value)) // 4)


def _error(fault: Fault) -> Response:
    kind = _ERROR_TYPES.get(fault.status, "invalid_request_error")
    return JSONResponse(
        {"error": {"message": fault.message, "type": kind, "param": None, "code": None}},
        fault.status,
    )
