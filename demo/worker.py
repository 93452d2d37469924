"""How an agent works.

Ask the model, do what it says with tools and other agents, until it has an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from openai import APIError, AsyncOpenAI
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageFunctionToolCall,
)

from demo.counting import Counts
from demo.faults import FaultPlan, agent_point
from demo.scripts import ERROR, FAILED, Task, is_wrong, spoilt
from demo.system import Agent, System
from demo.telemetry import execute_tool, invoke_agent
from demo.tool_server import ToolClient
from demo.toolbox import Toolbox, ToolFailedError

_MAX_STEPS = 20
Message = dict[str, Any]


class AgentFailedError(Exception):
    """An agent failed its task."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Runs the agents of one process."""

    system: System
    service: str
    addresses: Mapping[str, str]
    """Service → base URL."""
    model: AsyncOpenAI
    http: httpx.AsyncClient
    faults: FaultPlan
    toolbox: Toolbox
    counts: Counts
    traced: bool = True
    """Whether the instrumentation of the model's SDK has something to record."""

    async def run(self, name: str, task: Task) -> str:
        """Run the agent on the task and return its answer.

        Raise AgentFailedError where it has none.
        """
        agent = self.system.agents[name]
        try:
            with invoke_agent(
                agent.name, agent.description, agent.models[0], f"{self.system.name}-{task['id']}"
            ):
                await self._meet_fault(agent, task)
                answer = await self._converse(agent, task)
        except AgentFailedError:
            self.counts.invoked(agent.name, failed=True)
            raise
        if self.faults.spoils(agent_point(agent.name), str(task["id"])):
            answer = spoilt(answer)
        self.counts.invoked(agent.name, failed=False, wrong=is_wrong(answer))
        return answer

    async def _meet_fault(self, agent: Agent, task: Task) -> None:
        call = agent_point(agent.name), str(task["id"])
        await asyncio.sleep(self.faults.delay(*call))
        fault = self.faults.strike(*call)
        if fault:
            raise AgentFailedError(f"{agent.name}: {fault.message} ({fault.status})")

    async def _converse(self, agent: Agent, task: Task) -> str:
        system = f"You are {agent.name}. {agent.description}"
        messages: list[Message] = [
            {"role": "system", "content": system},
            {"role": "user", "content": json.dumps(task)},
        ]
        for _ in range(_MAX_STEPS):
            reply = await self._ask_model(agent, messages)
            if not reply.tool_calls:
                return _answer(agent, reply.content or "")
            messages.append(reply.model_dump(exclude_none=True))
            for call in reply.tool_calls:
                assert isinstance(call, ChatCompletionMessageFunctionToolCall)
                messages.append(
                    {
                        "role": "tool",
                        "tool_call_id": call.id,
                        "content": await self._obey(agent, call),
                    }
                )
        raise AgentFailedError(f"{agent.name} found no end in {_MAX_STEPS} steps")

    async def _ask_model(self, agent: Agent, messages: list[Message]) -> ChatCompletionMessage:
        failed: str | None = None
        for model in agent.models:
            if failed:
                self.counts.tried_instead(
                    f"agent:{agent.name}", f"model:{failed}", f"model:{model}"
                )
            try:
                return await self._complete(agent, model, messages)
            except APIError:
                failed = model
        raise AgentFailedError(f"no model answered {agent.name}")

    async def _complete(
        self, agent: Agent, model: str, messages: list[Message]
    ) -> ChatCompletionMessage:
        edge = f"agent:{agent.name}", f"model:{model}"
        try:
            # Plain dictionaries do not match the SDK's union of typed ones.
            asked: Any = {"messages": messages, "tools": _offered(agent)}
            completion = await self._ask(model, asked)
        except APIError:
            self.counts.called(*edge, failed=True)
            raise
        self.counts.called(*edge, failed=False)
        self.counts.tokens[model] += completion.usage.total_tokens if completion.usage else 0
        return completion.choices[0].message

    async def _ask(self, model: str, asked: Any) -> ChatCompletion:
        if self.traced:
            return await self.model.chat.completions.create(model=model, **asked)
        # The same request, without the SDK's conversion of typed dictionaries: half of all time.
        body = {"model": model, **asked}
        return await self.model.post("/chat/completions", cast_to=ChatCompletion, body=body)

    async def _obey(self, agent: Agent, call: ChatCompletionMessageFunctionToolCall) -> str:
        name, task = call.function.name, json.loads(call.function.arguments)
        callee = f"agent:{name}" if name in agent.colleagues else f"tool:{name}"
        try:
            result = (
                await self._ask_colleague(name, task)
                if name in agent.colleagues
                else await self._use_tool(agent, name, task, call.id)
            )
        except (AgentFailedError, ToolFailedError) as error:
            self.counts.called(f"agent:{agent.name}", callee, failed=True)
            return f"{ERROR}: {error}"
        self.counts.called(f"agent:{agent.name}", callee, failed=False)
        return result

    async def _use_tool(self, agent: Agent, name: str, task: Task, call_id: str) -> str:
        server = self.system.tool_homes.get(name)
        if server is not None:
            client = ToolClient(self.http)
            return await client.call(self.addresses[server], name, task, call_id)
        with execute_tool(name, call_id):
            return await self.toolbox.use(name, agent.tools[name], task)

    async def _ask_colleague(self, name: str, task: Task) -> str:
        home = self.system.homes[name]
        if home == self.service:
            return await self.run(name, task)
        return await self.ask_service(home, f"/agents/{name}", task)

    async def ask_service(self, service: str, path: str, task: Task) -> str:
        """Post the task to another service.

        Raise AgentFailedError where it does not answer well.
        """
        try:
            response = await self.http.post(self.addresses[service] + path, json=task)
        except httpx.HTTPError as error:
            raise AgentFailedError(f"{service} is out of reach: {error!r}") from error
        if response.is_error:
            raise AgentFailedError(f"{service}{path} answered {response.status_code}")
        return str(response.json()["answer"])


def _answer(agent: Agent, text: str) -> str:
    if text.startswith(FAILED):
        raise AgentFailedError(f"{agent.name} gave up: {text}")
    return text


def _offered(agent: Agent) -> list[Message]:
    parameters = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    names = [*agent.tools, *agent.colleagues]
    return [
        {
            "type": "function",
            "function": {"name": name, "description": f"Use {name}.", "parameters": parameters},
        }
        for name in names
    ]
