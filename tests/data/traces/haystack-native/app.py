"""Courier dispatch on Haystack with its own OpenTelemetry tracer (contents traced too).

dispatcher (Agent, a component of a Pipeline) -> route_planner, customs_clerk (Agents behind ComponentTools of the same names); function van_status
route_planner: road_map (raises in cases 3 and 6), road_map_offline.  customs_clerk: FallbackChatGenerator gpt-4.1, then gpt-4.1-mini; tariff_code
and a plain RAG pipeline without any agent: retriever -> prompt -> llm.
"""
import collections
from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

tp = setup("courier-dispatch")
from haystack import tracing
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace

tracing.tracer.is_content_tracing_enabled = True
tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("courier")))
from haystack import Document, Pipeline
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import FallbackChatGenerator, OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import ComponentTool, tool
from haystack.utils import Secret

brain = Brain()
llm = FakeLLM(brain).start()
N = collections.Counter()


def model(m):
    return OpenAIChatGenerator(api_key=Secret.from_token("x"), model=m, api_base_url=llm.url + "/v1", max_retries=0)


@tool
def van_status(van: str) -> str:
    """State of a van."""
    N["van_status"] += 1
    return "ready"


@tool
def road_map(route: str) -> str:
    """Look a route up."""
    N["road_map"] += 1
    if case_of(route) in (3, 6):
        N["road_map error"] += 1
        raise ConnectionError("map server: connection reset")
    return "A9, 212 km"


@tool
def road_map_offline(route: str) -> str:
    """Look a route up in last month's map."""
    N["road_map_offline"] += 1
    return "A9, 214 km"


@tool
def tariff_code(goods: str) -> str:
    """Customs tariff code of goods."""
    N["tariff_code"] += 1
    return "8471.30"


def ask(who, c):
    return call(who, messages=[{"role": "user", "content": [{"text": f"Please help with case {c}"}]}])


@brain.on("You dispatch couriers", "dispatcher")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("van_status"):
        return calls(call("van_status", van="v3"), ask("route_planner", c))
    return ask("customs_clerk", c) if not r.did("customs_clerk") and c % 2 == 0 else text("Van 3 leaves at noon.")


@brain.on("You plan routes", "route_planner")
def _(r):
    c = case_of(r.all)
    if not r.did("road_map"):
        return call("road_map", route=f"north, case {c}")
    return call("road_map_offline", route="north") if c == 6 and not r.did("road_map_offline") else text("Take the A9.")


@brain.on("You clear customs", "customs_clerk")
def _(r):
    if case_of(r.all) == 4 and r.model == "gpt-4.1":
        return fail(500)
    return text("Cleared.") if r.did("tariff_code") else call("tariff_code", goods="laptops")


@brain.on("Answer from these pages", "faq")
def _(r):
    return text("Within 14 days.")


route = Agent(chat_generator=model("gpt-4.1-mini"), system_prompt="You plan routes.", tools=[road_map, road_map_offline])
customs = Agent(chat_generator=FallbackChatGenerator([model("gpt-4.1"), model("gpt-4.1-mini")]), system_prompt="You clear customs.", tools=[tariff_code])
dispatch = Pipeline(metadata={"name": "dispatch"})
dispatch.add_component("dispatcher", Agent(chat_generator=model("gpt-4.1"), system_prompt="You dispatch couriers.", tools=[
    van_status, ComponentTool(component=route, name="route_planner", description="plans routes"), ComponentTool(component=customs, name="customs_clerk", description="clears customs")]))
store = InMemoryDocumentStore()
store.write_documents([Document(content="Lost parcels are paid within 14 days."), Document(content="Vans leave at noon.")])
faq = Pipeline(metadata={"name": "faq"})
faq.add_component("page_retriever", InMemoryBM25Retriever(store, top_k=1))
faq.add_component("prompt", ChatPromptBuilder([ChatMessage.from_system("Answer from these pages."), ChatMessage.from_user("{{documents[0].content}} {{question}}")], required_variables="*"))
faq.add_component("answerer", model("gpt-4.1-mini"))
faq.connect("page_retriever.documents", "prompt.documents")
faq.connect("prompt.prompt", "answerer.messages")

out = {"ok": 0, "failed": {}}
for c in range(1, 8):
    try:
        dispatch.run({"dispatcher": {"messages": [ChatMessage.from_user(f"A parcel to Oslo, case {c}")]}})
        out["ok"] += 1
    except Exception as e:
        out["failed"][c] = f"{type(e).__name__}: {e}"[:120]
for q in ("When is a lost parcel paid?", "When do vans leave?"):
    faq.run({"page_retriever": {"query": q}, "prompt": {"question": q}})
    N["faq run"] += 1
tp.shutdown()
print(brain.dump({"outcomes": out, "counted": N}))
