"""Theatre box office on Haystack, its own OpenTelemetry tracer: an Agent whose tools are a function and two agents (ComponentTool)."""
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("box-office")
from haystack import tracing
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace

tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("box-office-app")))
from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import ComponentTool, tool
from haystack.utils import Secret

brain = Brain()
llm = FakeLLM(brain).start()
tools = {}


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


def model(m):
    return OpenAIChatGenerator(api_key=Secret.from_token("x"), model=m, api_base_url=llm.url + "/v1", max_retries=0)


@tool
def free_seats(case: int) -> str:
    """Look up free seats."""
    counted("free_seats", case == 2)
    if case == 2:
        raise TimeoutError("seat map is down")
    return "row 4"


@tool
def price_of(case: int) -> str:
    """Look up prices."""
    counted("price_of")
    return "40 euros"


@brain.on("You run the box office", "box_office")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("seat_agent"):
        return call("seat_agent", messages=[{"role": "user", "content": [{"text": f"Seats? case {c}"}]}])
    return call("price_agent", messages=[{"role": "user", "content": [{"text": f"Price? case {c}"}]}]) if not r.did("price_agent") else text("Row 4, 40 euros.")


@brain.on("You find seats", "seat_agent")
def _(r):
    return call("free_seats", case=case_of(r.all)) if not r.did("free_seats") else text("Row 4.")


@brain.on("You know prices", "price_agent")
def _(r):
    return call("price_of", case=case_of(r.all)) if not r.did("price_of") else text("40 euros.")


seat = Agent(chat_generator=model("gpt-4o-mini"), system_prompt="You find seats.", tools=[free_seats])
price = Agent(chat_generator=model("gpt-4o-mini"), system_prompt="You know prices.", tools=[price_of])
office = Agent(
    chat_generator=model("gpt-4o"),
    system_prompt="You run the box office.",
    tools=[ComponentTool(component=seat, name="seat_agent", description="seats"), ComponentTool(component=price, name="price_agent", description="prices")],
)
pipeline = Pipeline()
pipeline.add_component("box_office", office)
out = {"ok": 0, "failed": 0}
for c in range(1, 7):
    try:
        pipeline.run({"box_office": {"messages": [ChatMessage.from_user(f"Two seats please, case {c}")]}})
        out["ok"] += 1
    except Exception as e:
        print(c, type(e), str(e)[:200])
        out["failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": out, "tools": tools}))
