"""Tools behind the Model Context Protocol: `tools/call` as JSON-RPC over HTTP, both halves.

Of the protocol (revision 2025-06-18) only the call itself: no session, no listing of tools.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from demo.scripts import Task
from demo.system import Tool
from demo.telemetry import call_tool, serve_tool
from demo.toolbox import Toolbox, ToolFailedError

PATH = "/mcp"
Message = dict[str, Any]


def tool_handler(
    tools: Mapping[str, Tool], toolbox: Toolbox
) -> Callable[[Message], Awaitable[Message]]:
    """Return the handler of requests to the server of these tools."""

    async def call(request: Message) -> Message:
        name, task = request["params"]["name"], request["params"]["arguments"]
        try:
            with serve_tool(name, request["id"]):
                text, failed = await toolbox.use(name, tools[name], task), False
        except ToolFailedError as error:
            text, failed = str(error), True
        result = {"content": [{"type": "text", "text": text}], "isError": failed}
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}

    return call


@dataclass(frozen=True, slots=True)
class ToolClient:
    """Calls the tools of servers."""

    http: httpx.AsyncClient

    async def call(self, address: str, name: str, task: Task, call_id: str) -> str:
        """Return the tool's result; raise ToolFailedError where it has none."""
        params = {"name": name, "arguments": dict(task)}
        request = {"jsonrpc": "2.0", "id": call_id, "method": "tools/call", "params": params}
        with call_tool(name, call_id, httpx.URL(address)):
            try:
                response = await self.http.post(address + PATH, json=request)
                response.raise_for_status()
            except httpx.HTTPError as error:
                raise ToolFailedError(f"{name}: its server is out of reach: {error!r}") from error
            result = response.json()["result"]
            text = str(result["content"][0]["text"])
            if result["isError"]:
                raise ToolFailedError(text)
            return text
