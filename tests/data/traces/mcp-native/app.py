"""Parcel logistics: agents in plain Python with gen_ai spans by hand, tools on two MCP servers over streamable HTTP, MCP traced by its own SDKs.

logistics_lead --ask_rate_agent-->     rate_agent      quote_rate of freight-mcp; after an error quote_rate of freight-backup-mcp
               --ask_tracking_agent--> tracking_agent  track_parcel, customs_duty (of a mounted server) of freight-mcp
freight-mcp: FastMCP "Freight Rates"; freight-backup-mcp: MCPServer of the mcp SDK, "Freight Backup"
    app.py             starts the servers and runs the agents
    app.py ROLE PORT   one MCP server
"""
import asyncio, json, os, signal, socket, subprocess, sys, time
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
os.environ.update(FASTMCP_CHECK_FOR_UPDATES="off", FASTMCP_SHOW_SERVER_BANNER="false", FASTMCP_LOG_LEVEL="ERROR")
from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

ROLE = sys.argv[1] if len(sys.argv) > 1 else "logistics-agents"
tp = setup(ROLE)
import openai
from opentelemetry import trace
from opentelemetry.trace import SpanKind

tracer = trace.get_tracer("logistics.agents")
counts = Counter()


# --- the two MCP servers --------------------------------------------------------------------------------------------------
def freight(port):
    from fastmcp import FastMCP
    from fastmcp.exceptions import ToolError
    mcp, customs = FastMCP("Freight Rates"), FastMCP("Customs Desk")

    @mcp.tool
    def quote_rate(parcel: str) -> str:
        """Quote the rate of a parcel."""
        counts["quote_rate"] += 1
        if case_of(parcel) in (3, 4):
            counts["quote_rate ERROR"] += 1
            raise ToolError("rate table is being reloaded")
        return "12.40 EUR"

    @mcp.tool
    def track_parcel(parcel: str) -> str:
        """Where a parcel is."""
        counts["track_parcel"] += 1
        if case_of(parcel) == 5 and counts["track_parcel ERROR"] < 1:
            counts["track_parcel ERROR"] += 1
            raise TimeoutError("scanner network timed out")
        return "Rotterdam"

    @customs.tool
    def duty(parcel: str) -> str:
        """Customs duty of a parcel."""
        counts["customs_duty"] += 1
        return "3.10 EUR"

    mcp.mount(customs, namespace="customs")
    mcp.run(transport="http", host="127.0.0.1", port=port, show_banner=False, log_level="error")


def backup(port):
    from mcp.server import MCPServer
    mcp = MCPServer("Freight Backup", log_level="ERROR")

    @mcp.tool()
    def quote_rate(parcel: str) -> str:
        """Quote the rate of a parcel."""
        counts["quote_rate"] += 1
        if case_of(parcel) == 4:
            counts["quote_rate ERROR"] += 1
            raise ValueError("no rate for this lane")
        return "12.90 EUR"

    mcp.run("streamable-http", host="127.0.0.1", port=port)


# --- the agents -----------------------------------------------------------------------------------------------------------
gpt = openai.AsyncOpenAI(base_url="http://127.0.0.1:1", api_key="x", max_retries=0)
PORTS = {"freight-mcp": int(os.environ.get("MCP_PORT", "33271")), "freight-backup-mcp": int(os.environ.get("MCP_PORT", "33271")) + 1}


@contextmanager
def span(name, kind=SpanKind.INTERNAL, **at):
    with tracer.start_as_current_span(name, kind=kind, attributes={"gen_ai." + k.replace("__", "."): v for k, v in at.items()}) as s:
        try:
            yield s
        except Exception as e:
            s.set_attribute("error.type", type(e).__qualname__)
            raise


async def chat(model, msgs, spec):
    with span(f"chat {model}", SpanKind.CLIENT, operation__name="chat", provider__name="openai", request__model=model) as s:
        r = await gpt.chat.completions.create(model=model, messages=msgs, tools=spec)
        s.set_attributes({"gen_ai.response.model": r.model, "gen_ai.usage.input_tokens": r.usage.prompt_tokens, "gen_ai.usage.output_tokens": r.usage.completion_tokens})
        return r.choices[0].message


async def agent(name, model, system, tools, user):
    counts["agent " + name] += 1
    with span(f"invoke_agent {name}", operation__name="invoke_agent", agent__name=name, provider__name="openai", request__model=model):
        msgs = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        spec = [{"type": "function", "function": {"name": n, "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}} for n in tools]
        while True:
            m = await chat(model, msgs, spec)
            if not m.tool_calls:
                return m.content
            msgs.append(m.model_dump(exclude_none=True))
            for c in m.tool_calls:
                msgs.append({"role": "tool", "tool_call_id": c.id, "content": await tools[c.function.name](json.loads(c.function.arguments)["q"])})


async def run(case):
    from fastmcp import Client
    async with AsyncExitStack() as st:
        mcp = {s: await st.enter_async_context(Client(f"http://127.0.0.1:{p}/mcp", name=s)) for s, p in PORTS.items()}

        async def mcp_call(server, tool, q):
            counts[f"{server} {tool}"] += 1
            r = await mcp[server].call_tool(tool, {"parcel": q}, raise_on_error=False)
            if r.is_error:
                counts[f"{server} {tool} ERROR"] += 1
            return ("error: " if r.is_error else "") + r.content[0].text

        async def quote_rate(q):  # no span of its own: the MCP SDK's is all there is
            out = await mcp_call("freight-mcp", "quote_rate", q)
            return await mcp_call("freight-backup-mcp", "quote_rate", q) if out.startswith("error") else out

        async def wrapped(tool, q):  # in a span of its own: the SDK's spans are the same call again
            with span(f"execute_tool {tool}", operation__name="execute_tool", tool__name=tool, tool__type="extension"):
                return await mcp_call("freight-mcp", tool, q)

        async def rate(q):
            with span("execute_tool ask_rate_agent", operation__name="execute_tool", tool__name="ask_rate_agent", tool__type="function"):
                await mcp["freight-mcp"].list_tools()
                await mcp["freight-backup-mcp"].list_tools()
                return await agent("rate_agent", "gpt-4o-mini", "You quote rates.", {"quote_rate": quote_rate}, q)

        async def tracking(q):
            with span("execute_tool ask_tracking_agent", operation__name="execute_tool", tool__name="ask_tracking_agent", tool__type="function"):
                return await agent("tracking_agent", "gpt-4o-mini", "You track parcels.", {t: lambda q, t=t: wrapped(t, q) for t in ("track_parcel", "customs_duty")}, q)

        return await agent("logistics_lead", "gpt-4o", "You lead logistics.", {"ask_rate_agent": rate, "ask_tracking_agent": tracking}, f"Handle my parcel, case {case}")


brain = Brain()


@brain.on("You lead logistics", "logistics_lead")
def _(r):
    c = case_of(r.first_user)
    if c == 6:
        return fail(500)
    if not r.did("ask_rate_agent") and c in (1, 2, 3, 4):
        return call("ask_rate_agent", q=f"Rate of case {c}?")
    return call("ask_tracking_agent", q=f"Where is case {c}?") if c in (1, 5, 7) and not r.did("ask_tracking_agent") else text("All handled.")


@brain.on("You quote rates", "rate_agent")
def _(r):
    return text("Here is the rate.") if r.n else call("quote_rate", q=f"case {case_of(r.first_user)}")


@brain.on("You track parcels", "tracking_agent")
def _(r):
    q = f"case {case_of(r.first_user)}"
    if not r.n or "error" in r.results[-1][1]:
        return call("track_parcel", q=q)
    return call("customs_duty", q=q) if not r.did("customs_duty") else text("It is in Rotterdam.")


async def work():
    out = Counter()
    for c in range(1, 8):
        out["runs"] += 1
        try:
            await run(c)
        except Exception as e:
            print(c, type(e).__name__, str(e)[:200])
            out["failed"] += 1
    return out


def main():
    llm = FakeLLM(brain, port=0)
    llm.start()
    llm.port = llm.server.server_address[1]
    gpt.base_url = llm.url + "/v1"
    procs = {s: subprocess.Popen([sys.executable, __file__, s, str(p)], stdout=subprocess.PIPE, text=True) for s, p in PORTS.items()}
    for p in PORTS.values():
        for _ in range(150):
            try:
                socket.create_connection(("127.0.0.1", p), 1).close()
                break
            except OSError:
                time.sleep(.2)
    out, by = asyncio.run(work()), {ROLE: counts}
    for s, p in procs.items():
        p.send_signal(signal.SIGTERM)
        by[s] = json.loads(p.communicate(timeout=30)[0].splitlines()[-1])
    tp.shutdown()
    print(json.dumps(brain.dump({"outcomes": out, "by_service": by})))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            {"freight-mcp": freight, "freight-backup-mcp": backup}[ROLE](int(sys.argv[2]))
        finally:
            tp.shutdown()
            print(json.dumps(counts), flush=True)
    else:
        main()
