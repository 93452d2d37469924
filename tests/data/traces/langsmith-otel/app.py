"""A clinic on LangGraph, traced by LangSmith's own OpenTelemetry export (no other instrumentation).

patient_visit (StateGraph): intake_desk -> discharge_writer, the second only if a stay is needed (conditional edge)
  intake_desk (create_agent: find_record) --tool consult_cardiologist--> cardiologist (read_ecg)
                                          --tool consult_pharmacist----> pharmacist (check_interactions, interactions_leaflet)
  discharge_writer (create_agent, no tools)
coding_clerk (create_agent: find_code): an entry point of its own
Failures: see the cases in the scripts below.
"""
from collections import Counter

from fakellm import Brain, FakeLLM, call, calls, fail, text
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, ToolErrorMiddleware
from langchain.tools import tool
from langchain_core.messages import HumanMessage
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from opentelemetry import trace

brain = Brain()
llm = FakeLLM(brain).start()
done, tries = Counter(), Counter()


def chat(name):
    return ChatOpenAI(model=name, base_url=llm.url + "/v1", api_key="x", max_retries=0)


def ran(name, broken=None):
    done[name] += 1
    if broken:
        done[name + " ERROR"] += 1
        raise broken


@tool
def find_record(patient: str) -> str:
    """Find a patient's record."""
    ran("find_record")
    return "born 1961"


@tool
def consult_cardiologist(question: str) -> str:
    """Ask the cardiologist."""
    ran("consult_cardiologist")
    return cardiologist.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text


@tool
def consult_pharmacist(question: str) -> str:
    """Ask the pharmacist."""
    ran("consult_pharmacist")
    return pharmacist.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text


@tool
def read_ecg(patient: str) -> str:
    """Read the ECG."""
    ran("read_ecg", IOError("ECG file is damaged") if now == 3 else None)
    return "regular"


@tool
def check_interactions(drugs: str) -> str:
    """Check drugs in the database."""
    ran("check_interactions", ConnectionError("drug database is down") if now in (2, 5) else None)
    return "none known"


@tool
def interactions_leaflet(drugs: str) -> str:
    """Look drugs up in the leaflets."""
    ran("interactions_leaflet")
    return "none known"


@tool
def find_code(diagnosis: str) -> str:
    """Find the billing code."""
    ran("find_code")
    return "I20.9"


def back(*names):
    return ToolErrorMiddleware(on_error=lambda e, req: f"Error: {e}", tools=list(names))


cardiologist = create_agent(chat("gpt-4o"), [read_ecg], name="cardiologist", system_prompt="You know hearts.", middleware=[ModelFallbackMiddleware(chat("gpt-4.1-mini")), back("read_ecg")])
pharmacist = create_agent(chat("gpt-4o-mini"), [check_interactions, interactions_leaflet], name="pharmacist", system_prompt="You know drugs.", middleware=[back("check_interactions")])
intake_desk = create_agent(chat("gpt-4o"), [find_record, consult_cardiologist, consult_pharmacist], name="intake_desk", system_prompt="You take patients in.")
discharge_writer = create_agent(chat("gpt-4o-mini"), [], name="discharge_writer", system_prompt="You write discharge letters.", middleware=[ModelRetryMiddleware(max_retries=1, initial_delay=0.01, jitter=False)])
coding_clerk = create_agent(chat("gpt-4o-mini"), [find_code], name="coding_clerk", system_prompt="You code bills.")

g = StateGraph(MessagesState)
g.add_node("intake_desk", intake_desk)
g.add_node("discharge_writer", discharge_writer)
g.add_edge(START, "intake_desk")
g.add_conditional_edges("intake_desk", lambda s: "discharge_writer" if "stay" in s["messages"][-1].text else END, ["discharge_writer", END])
g.add_edge("discharge_writer", END)
patient_visit = g.compile(name="patient_visit")


@brain.on("You take patients in", "intake_desk")
def _(r):
    if now == 6:
        return fail(500)
    if not r.n:
        return call("find_record", patient=f"patient {now}")
    if not r.did("consult_cardiologist") and now != 5:
        heart = call("consult_cardiologist", question="Is the heart well?")
        return calls(heart, call("consult_pharmacist", question="Which drugs?")) if now == 1 else heart
    if not r.did("consult_pharmacist") and now in (2, 5):
        return call("consult_pharmacist", question="Which drugs?")
    return text("Must stay a night." if now in (1, 2, 4) else "May go home.")


@brain.on("You know hearts", "cardiologist")
def _(r):
    if now == 4 and r.model == "gpt-4o" and not r.n:
        return fail(503)
    return call("read_ecg", patient=f"patient {now}") if not r.n else text("The heart is well.")


@brain.on("You know drugs", "pharmacist")
def _(r):
    if not r.n:
        return call("check_interactions", drugs="aspirin")
    return call("interactions_leaflet", drugs="aspirin") if "rror" in r.results[-1][1] else text("Aspirin.")


@brain.on("You write discharge letters", "discharge_writer")
def _(r):
    tries[now] += 1
    return fail(500) if now == 2 and tries[now] == 1 else text("Dear colleague, ...")


@brain.on("You code bills", "coding_clerk")
def _(r):
    return call("find_code", diagnosis="angina") if not r.n else text("I20.9")


o = Counter()
for now in range(1, 10):
    app = patient_visit if now < 8 else coding_clerk
    try:
        app.invoke({"messages": [HumanMessage(f"A patient with chest pain, case {now}")]}, {"metadata": {"thread_id": f"visit-{now}"}, "tags": ["clinic"]})
        o[app.name + " ok"] += 1
    except Exception as e:
        print(now, type(e), str(e)[:200])
        o[app.name + " failed"] += 1
wait_for_all_tracers()
trace.get_tracer_provider().shutdown()
print(brain.dump({"outcomes": o, "done": done}))
