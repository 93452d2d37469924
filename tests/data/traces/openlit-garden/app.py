"""Garden centre on LangGraph (prebuilt agents as tools of a head gardener) under OpenLIT's automatic instrumentation."""
import os

import openlit
from fakellm import Brain, FakeLLM, call, case_of, fail, text

openlit.init(otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], application_name="garden-centre", environment="production", disable_metrics=True, disable_batch=False)
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from opentelemetry import trace

brain = Brain()
llm = FakeLLM(brain).start()
tools = {}


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


def model(m):
    return ChatOpenAI(model=m, base_url=llm.url + "/v1", api_key="x", max_retries=0)


@tool
def soil_test(case: int) -> str:
    """Test the soil."""
    counted("soil_test")
    return "acid"


@tool
def plant_stock(case: int) -> str:
    """Look up plants."""
    counted("plant_stock")
    return "roses: 12"


@brain.on("You are the head gardener", "head_gardener")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("ask_soil"):
        return call("ask_soil", question=f"Which soil? case {c}")
    return call("ask_plants", question=f"Which plants? case {c}") if not r.did("ask_plants") else text("Plant roses.")


@brain.on("You know soil", "soil_expert")
def _(r):
    return call("soil_test", case=case_of(r.first_user)) if not r.did("soil_test") else text("Acid soil.")


@brain.on("You know plants", "plant_expert")
def _(r):
    return call("plant_stock", case=case_of(r.first_user)) if not r.did("plant_stock") else text("Roses.")


soil = create_react_agent(model("gpt-4o-mini"), [soil_test], prompt="You know soil.", name="soil_expert")
plants = create_react_agent(model("gpt-4o-mini"), [plant_stock], prompt="You know plants.", name="plant_expert")


@tool
def ask_soil(question: str) -> str:
    """Ask the soil expert."""
    return soil.invoke({"messages": [("user", question)]})["messages"][-1].content


@tool
def ask_plants(question: str) -> str:
    """Ask the plant expert."""
    return plants.invoke({"messages": [("user", question)]})["messages"][-1].content


head = create_react_agent(model("gpt-4o"), [ask_soil, ask_plants], prompt="You are the head gardener.", name="head_gardener")
out = {"ok": 0, "failed": 0}
for c in range(1, 7):
    try:
        head.invoke({"messages": [("user", f"Plan my garden, case {c}")]})
        out["ok"] += 1
    except Exception as e:
        print(c, type(e))
        out["failed"] += 1
trace.get_tracer_provider().force_flush()
print(brain.dump({"outcomes": out, "tools": tools}))
