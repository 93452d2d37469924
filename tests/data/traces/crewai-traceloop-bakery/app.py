"""Bakery back office on CrewAI, OpenLLMetry's instrumentations of CrewAI and OpenAI. A sequential crew, run seven times."""
import os

os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["OTEL_SDK_DISABLED"] = "false"
os.environ["CREWAI_DISABLE_TRACKING"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("bakery-office")
from opentelemetry.instrumentation.crewai import CrewAIInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

CrewAIInstrumentor().instrument()
OpenAIInstrumentor().instrument()
from crewai import LLM, Agent, Crew, Process, Task
from crewai.tools import tool

brain = Brain()
llm = FakeLLM(brain).start()
tools = {}


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


@tool("flour_stock")
def flour_stock(case: int) -> str:
    """Look up how much flour is left."""
    counted("flour_stock", case == 2)
    if case == 2:
        raise ConnectionError("scales offline")
    return "80 kg"


@tool("price_list")
def price_list(case: int) -> str:
    """Look up prices."""
    counted("price_list")
    return "rye 3.20"


def model(m):
    return LLM(model="openai/" + m, base_url=llm.url + "/v1", api_key="x", max_retries=0)


@brain.on("You are Stock Keeper", "Stock Keeper")
def _(r):
    return call("flour_stock", case=case_of(r.first_user)) if not r.did("flour_stock") else text("Final Answer: 80 kg left")


@brain.on("You are Price Setter", "Price Setter")
def _(r):
    if case_of(r.first_user) == 5:
        return fail(500)
    return call("price_list", case=case_of(r.first_user)) if not r.did("price_list") else text("Final Answer: rye 3.20")


@brain.on("You are Menu Writer", "Menu Writer")
def _(r):
    return text("Final Answer: Rye, 3.20")


out = {"ok": 0, "failed": 0}
for c in range(1, 8):
    keeper = Agent(role="Stock Keeper", goal="Know the stock", backstory="b", llm=model("gpt-4o-mini"), tools=[flour_stock], max_retry_limit=0)
    setter = Agent(role="Price Setter", goal="Set prices", backstory="b", llm=model("gpt-4o"), tools=[price_list], max_retry_limit=0)
    writer = Agent(role="Menu Writer", goal="Write the menu", backstory="b", llm=model("gpt-4o-mini"), max_retry_limit=0)
    tasks = [
        Task(description=f"Check the flour, case {c}", expected_output="kg", agent=keeper),
        Task(description=f"Set the prices, case {c}", expected_output="prices", agent=setter),
        Task(description=f"Write the menu, case {c}", expected_output="menu", agent=writer),
    ]
    try:
        Crew(name="daily_menu", agents=[keeper, setter, writer], tasks=tasks, process=Process.sequential).kickoff()
        out["ok"] += 1
    except Exception as e:
        print(c, type(e), str(e)[:160])
        out["failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": out, "tools": tools}))
