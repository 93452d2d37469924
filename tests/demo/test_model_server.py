from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import openai
import pytest

from demo.faults import Fault, FaultPlan
from demo.model_server import ModelServer
from demo.scripts import Step

SCRIPTS = {
    "CheckoutAgent": (
        Step(("stock_lookup", "stock_lookup")),
        Step(("send_receipt",), optional=True),
    )
}
Ask = Callable[[list[dict[str, Any]], str], Awaitable[Any]]


def asking(server: ModelServer, talk: Callable[[Ask], Awaitable[Any]]) -> Any:
    """Let a conversation take place through the published SDK."""

    async def main() -> Any:
        transport = httpx2.ASGITransport(app=server.app())
        async with openai.AsyncOpenAI(
            base_url="http://model/v1",
            api_key="k",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport),
        ) as client:

            async def ask(messages: list[dict[str, Any]], model: str) -> Any:
                return await client.chat.completions.create(model=model, messages=messages)  # type: ignore[arg-type]  # plain dicts

            return await talk(ask)

    return asyncio.run(main())


def opening(agent: str = "CheckoutAgent") -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": f"You are {agent}. Sells."},
        {"role": "user", "content": json.dumps({"id": "order-1"})},
    ]


def test_the_sdk_reads_a_tool_call_then_an_answer_with_tokens_and_finish_reasons() -> None:
    async def talk(ask: Ask) -> tuple[Any, Any]:
        messages = opening()
        first = await ask(messages, "gpt-4o")
        call = first.choices[0].message
        messages += [
            call.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12 payloads"},
        ]
        second = await ask(messages, "gpt-4o")
        receipt = second.choices[0].message
        messages += [
            receipt.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": receipt.tool_calls[0].id, "content": "ERROR: no"},
        ]
        return first, await ask(messages, "gpt-4o")

    first, last = asking(ModelServer(SCRIPTS, FaultPlan(7, ())), talk)

    assert first.model == "gpt-4o-2024-08-06"
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.tool_calls[0].function.name == "stock_lookup"
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens > 2
    assert last.choices[0].finish_reason == "stop"
    assert last.usage.prompt_tokens > first.usage.prompt_tokens


def test_a_repeated_attempt_is_counted_as_a_retry() -> None:
    server = ModelServer(SCRIPTS, FaultPlan(7, ()))

    async def talk(ask: Ask) -> Any:
        messages = opening()
        call = (await ask(messages, "gpt-4o")).choices[0].message
        messages += [
            call.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "ERROR: busy"},
        ]
        return await ask(messages, "gpt-4o")

    again = asking(server, talk)

    assert again.choices[0].message.tool_calls[0].function.name == "stock_lookup"
    assert server.counts.retries == {("agent:CheckoutAgent", "tool:stock_lookup"): 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_injected_error_reaches_the_sdk_as_its_own_error_and_passes_after_its_attempts(
    status: int, error: type[Exception]
) -> None:
    fault = Fault("CheckoutAgent/gpt-4o", 1.0, status, "busy", attempts=1)

    async def talk(ask: Ask) -> Any:
        with pytest.raises(error, match="busy"):
            await ask(opening(), "gpt-4o")
        return await ask(opening(), "gpt-4o")

    assert asking(ModelServer(SCRIPTS, FaultPlan(7, [fault])), talk).choices


def test_the_same_question_has_the_same_answer() -> None:
    async def talk(ask: Ask) -> Any:
        return [(await ask(opening(), "gpt-4o-mini")).model_dump() for _ in range(2)]

    one, two = asking(ModelServer(SCRIPTS, FaultPlan(7, ())), talk)

    assert one == two


def test_an_agent_without_a_script_is_told_so() -> None:
    async def talk(ask: Ask) -> None:
        with pytest.raises(openai.BadRequestError, match="no script for 'Stranger'"):
            await ask(opening("Stranger"), "gpt-4o")

    asking(ModelServer(SCRIPTS, FaultPlan(7, ())), talk)
