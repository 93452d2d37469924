"""Any endpoint that is compatible with OpenAI's, through the official client."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agentguard.adapters.openai.model import openai_model
from agentguard.playbooks.refining import Refined, RefinementState, Refiner
from tests.playbooks.fake_gemini import Reply, serving
from tests.playbooks.phrasing import NAMES, PLAYBOOK, line, rephrased, spoiled

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def chat(content: Any, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "local-7b",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 200, "total_tokens": 1100},
    }
    return Reply(body=body)


async def refined(*replies: Reply, timeout_seconds: float = 10) -> Refined:
    with serving(*replies) as fake:
        model = openai_model("none", "local", f"{fake.url}/v1", timeout_seconds)
        found = await Refiner(model, time.monotonic).refine(PLAYBOOK, NAMES)
        for request in fake.asked:
            assert request.path == "/v1/chat/completions"
            assert request.body["response_format"]["type"] == "json_schema"
    return found


async def test_a_grounded_answer_is_accepted_with_its_tokens():
    found = await refined(chat(json.dumps(rephrased())))

    assert found.refinement.state is RefinementState.ACCEPTED
    assert found.playbook.generator == "openai:local-7b"
    assert found.refinement.usage.input_tokens == 900
    assert found.refinement.usage.output_tokens == 200


async def test_an_invented_number_is_rejected_here_too():
    found = await refined(chat(spoiled(line("Wait for 45 min."))))

    assert found.refinement.state is RefinementState.REJECTED
    assert found.playbook == PLAYBOOK


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (chat("{", finish="length"), "cut off (length)"),
        (chat("x", finish="content_filter"), "withheld (content_filter)"),
        (chat(None, refusal="I cannot help with that"), "refused to answer"),
        (chat(None), "empty answer"),
        (chat({"not": "text"}), "not one of the chat completions API"),
        (Reply(body={"choices": 7}), "not one of the chat completions API"),
        (Reply(body="<html>"), "not one of the chat completions API"),
        (Reply(401, {"error": {"message": "no"}}), "status 401"),
        (Reply(404, {"error": {"message": "no"}}), "status 404"),
    ],
)
async def test_no_usable_answer_is_a_refusal_with_its_reason(reply, reason):
    found = await refined(reply)

    assert found.refinement.state is RefinementState.REFUSED
    assert reason in (found.refinement.reason or "")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_overloaded_endpoint_is_unavailable(status):
    found = await refined(Reply(status, {"error": {"message": "later"}}))

    assert found.refinement.state is RefinementState.UNAVAILABLE
    assert f"status {status}" in (found.refinement.reason or "")


async def test_a_slow_endpoint_is_given_up():
    slow = chat(json.dumps(rephrased()))

    found = await refined(Reply(body=slow.body, wait_seconds=1.0), timeout_seconds=0.15)
    assert "did not answer in time" in (found.refinement.reason or "")
