"""Harbour office: two FastMCP servers over streamable HTTP in their own processes, FastMCP's own telemetry on both sides; an agent with
hand-written gen_ai spans calls them. Both servers offer tide_table; the agent turns to the backup when the first fails."""
import asyncio
import json
import os
import socket
import subprocess
import sys
import time

from otelboot import setup
from opentelemetry import trace


def serve(name, port):
    tp = setup(name)
    from fastmcp import FastMCP

    server = FastMCP(name)

    @server.tool
    def tide_table(case: int) -> str:
        """Look up the tide."""
        if name == "harbour-mcp" and case in (3, 6):
            raise TimeoutError("gauge does not answer")
        return "high at 12:30"

    if name == "harbour-mcp":

        @server.tool
        def book_berth(case: int) -> str:
            """Book a berth."""
            return "berth 7"

    try:
        server.run(transport="http", host="127.0.0.1", port=port, show_banner=False)
    finally:
        tp.shutdown()


if len(sys.argv) > 1:
    serve(sys.argv[1], int(sys.argv[2]))
    sys.exit()

from fakellm import Brain, FakeLLM, case_of, fail, text

tp = setup("harbour-office")
tracer = trace.get_tracer("harbour.agents")
from fastmcp import Client
from openai import OpenAI

brain = Brain()
llm = FakeLLM(brain).start()
openai = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
tools = {}


@brain.on("You are the harbour master", "harbour_master")
def _(r):
    return fail(500) if case_of(r.first_user) == 5 else text("Berth 7, high tide at 12:30.")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(question):
    with tracer.start_as_current_span("chat gpt-4o-mini", kind=trace.SpanKind.CLIENT, attributes={"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini"}) as span:
        answer = openai.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "system", "content": "You are the harbour master."}, {"role": "user", "content": question}])
        span.set_attribute("gen_ai.response.model", answer.model)
        return answer.choices[0].message.content


async def use(client, server, tool, case):
    t = tools.setdefault(f"{server}/{tool}", {"calls": 0, "errors": 0})
    t["calls"] += 1
    result = await client.call_tool(tool, {"case": case}, raise_on_error=False)
    t["errors"] += bool(result.is_error)
    return result


async def run(main, backup, case):
    with tracer.start_as_current_span("invoke_agent harbour_master", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "harbour_master", "gen_ai.provider.name": "openai"}):
        tide = await use(main, "harbour-mcp", "tide_table", case)
        if tide.is_error:
            await use(backup, "coast-guard-mcp", "tide_table", case)
        await use(main, "harbour-mcp", "book_berth", case)
        ask(f"Sum up, case {case}")


async def main():
    ports = {name: free_port() for name in ("harbour-mcp", "coast-guard-mcp")}
    processes = [subprocess.Popen([sys.executable, __file__, name, str(port)]) for name, port in ports.items()]
    try:
        for port in ports.values():
            for _ in range(200):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
        out = {"ok": 0, "failed": 0}
        for case in range(1, 8):
            async with Client(f"http://127.0.0.1:{ports['harbour-mcp']}/mcp") as a, Client(f"http://127.0.0.1:{ports['coast-guard-mcp']}/mcp") as b:
                try:
                    await run(a, b, case)
                    out["ok"] += 1
                except Exception as e:
                    print(case, type(e))
                    out["failed"] += 1
        print(brain.dump({"outcomes": out, "tools": tools}))
    finally:
        for p in processes:
            p.terminate()
        for p in processes:
            p.wait(15)
        tp.shutdown()


asyncio.run(main())
