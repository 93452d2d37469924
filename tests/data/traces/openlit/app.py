"""Maintenance desk of a housing company: LangGraph, recorded by the OpenLIT SDK (openlit.init with otlp_endpoint).

Graph maintenance_desk: dispatcher --Command(goto)--> plumber_agent | electrician_agent --edge--> invoice_writer
plumber_agent and electrician_agent are ReAct agents with tools; dispatcher and invoice_writer are nodes that call a model.
order_part fails for some cases and the model then takes order_part_express; invoice_writer falls back from gpt-4o to gpt-4o-mini.
Besides the graph: tenant_faq, plain OpenAI calls under openlit.start_trace, no agent.
"""
import os
import warnings
from typing import Literal

warnings.filterwarnings("ignore")
import openlit
from fakellm import Brain, FakeLLM, call, case_of, fail, text

openlit.init(otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], application_name="maintenance-desk", environment="production",
             disable_metrics=True, pricing_json="pricing.json", disabled_instrumentors=["httpx", "requests", "urllib", "urllib3"])

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent
from langgraph.types import Command
from openai import OpenAI
from opentelemetry import trace

brain = Brain()
llm = FakeLLM(brain).start()
ran = {}


def chat(m):
    return ChatOpenAI(model=m, base_url=llm.url + "/v1", api_key="x", max_retries=0)


def count(name, err=False):
    c = ran.setdefault(name, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += err


@tool
def find_leak(flat: str) -> str:
    """Find a leak."""
    count("find_leak")
    return "joint below the sink"


@tool
def order_part(part: str) -> str:
    """Order a part."""
    bad = case_of(part) in (2, 4)
    count("order_part", bad)
    if bad:
        raise ConnectionError("supplier: 503 Service Unavailable")
    return "ordered"


@tool
def order_part_express(part: str) -> str:
    """Order a part at the express supplier."""
    count("order_part_express")
    return "ordered, 40 EUR more"


@tool
def measure_voltage(flat: str) -> str:
    """Measure the voltage."""
    count("measure_voltage")
    return "212 V"


plumber = create_react_agent(chat("gpt-4o"), ToolNode([find_leak, order_part, order_part_express], handle_tool_errors=True), name="plumber_agent", prompt="You are the plumber.")
electrician = create_react_agent(chat("gpt-4o"), ToolNode([measure_voltage, order_part], handle_tool_errors=True), name="electrician_agent", prompt="You are the electrician.")


def dispatcher(state: MessagesState) -> Command[Literal["plumber_agent", "electrician_agent"]]:
    count("dispatcher")
    a = chat("gpt-4o-mini").invoke([("system", "You dispatch repairs."), *state["messages"]])
    return Command(goto=a.content)


def invoice_writer(state: MessagesState):
    count("invoice_writer")
    q = [("system", "You write invoices."), ("user", state["messages"][0].content)]
    try:
        a = chat("gpt-4o").invoke(q)
    except Exception:
        a = chat("gpt-4o-mini").invoke(q)
    return {"messages": [a]}


g = StateGraph(MessagesState)
g.add_node("dispatcher", dispatcher)
g.add_node("plumber_agent", plumber)
g.add_node("electrician_agent", electrician)
g.add_node("invoice_writer", invoice_writer)
g.add_edge(START, "dispatcher")
g.add_edge("plumber_agent", "invoice_writer")
g.add_edge("electrician_agent", "invoice_writer")
g.add_edge("invoice_writer", END)
desk = g.compile(name="maintenance_desk")


@brain.on("You dispatch repairs", "dispatcher")
def _(r):
    return text("electrician_agent" if case_of(r.first_user) in (5, 6, 7) else "plumber_agent")


@brain.on("You are the plumber", "plumber_agent")
def _(r):
    c = case_of(r.first_user)
    if not r.did("find_leak"):
        return call("find_leak", flat=f"flat of case {c}")
    if not r.did("order_part"):
        return call("order_part", part=f"joint for case {c}")
    if "rror" in r.did("order_part")[-1] and not r.did("order_part_express"):
        return call("order_part_express", part="joint")
    return text("Leak closed.")


@brain.on("You are the electrician", "electrician_agent")
def _(r):
    c = case_of(r.first_user)
    if c == 6:
        return fail(500)
    if not r.did("measure_voltage"):
        return call("measure_voltage", flat=f"flat of case {c}")
    return call("order_part", part="fuse") if c == 5 and not r.did("order_part") else text("Fuse changed.")


@brain.on("You write invoices", "invoice_writer")
def _(r):
    return fail(500) if case_of(r.first_user) == 3 and r.model == "gpt-4o" else text("Invoice: 120 EUR.")


@brain.on("You answer tenants", "tenant_faq")
def _(r):
    return fail(500) if case_of(r.first_user) == 12 and tries.append(1) is None and len(tries) == 1 else text("Bins go out on Monday.")


tries, o = [], {"ok": 0, "failed": 0, "faq": 0}
for c in range(1, 8):
    try:
        desk.invoke({"messages": [("user", f"Something broke, case {c}")]}, {"configurable": {"thread_id": f"t{c}"}})
        o["ok"] += 1
    except Exception as e:
        print(c, type(e), str(e)[:100])
        o["failed"] += 1
client = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
for c in range(11, 14):
    with openlit.start_trace("tenant_faq"):
        for _ in range(2):
            try:
                client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "system", "content": "You answer tenants."}, {"role": "user", "content": f"When do the bins go out? case {c}"}])
                break
            except Exception as e:
                print(c, type(e))
        o["faq"] += 1
trace.get_tracer_provider().shutdown()
print(brain.dump({"outcomes": o, "ran": ran}))
