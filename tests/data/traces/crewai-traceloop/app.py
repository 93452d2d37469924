"""Farm advice on CrewAI; opentelemetry-instrumentation-crewai + -openai (OpenLLMetry).

field_crew (sequential): Soil Analyst -> Crop Planner -> Report Writer; Crop Planner may delegate to Soil Analyst.
alarm_crew (hierarchical): Farm Manager (manager_agent) delegates to Irrigation Engineer and Pest Scout.
read_soil_sensor fails for some cases and read_lab_report is then taken; check_pump raises once; a model fails in cases 4 and 14.
"""
import os
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_DISABLE_TRACKING="true", CREWAI_TRACING_ENABLED="false", CREWAI_TESTING="true",
                  TRACELOOP_METRICS_ENABLED="false")
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("farm-advice")
from opentelemetry.instrumentation.crewai import CrewAIInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
CrewAIInstrumentor().instrument(tracer_provider=tp)
OpenAIInstrumentor().instrument(tracer_provider=tp)

from crewai import LLM, Agent, Crew, Process, Task
from crewai.tools import tool

brain = Brain()
llm = FakeLLM(brain).start()
ran = {}


def count(name, err=False):
    c = ran.setdefault(name, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += err


def model(m):
    return LLM(model="openai/" + m, base_url=llm.url + "/v1", api_key="x", max_retries=0)


@tool("read_soil_sensor")
def read_soil_sensor(field: str) -> str:
    """Read the soil sensor of a field."""
    bad = case_of(field) in (2, 5)
    count("read_soil_sensor", bad)
    if bad:
        raise ConnectionError("sensor gateway unreachable")
    return "pH 6.2"


@tool("read_lab_report")
def read_lab_report(field: str) -> str:
    """Read the lab report of a field."""
    count("read_lab_report")
    return "pH 6.0"


@tool("market_prices")
def market_prices(crop: str) -> str:
    """Market prices of a crop."""
    count("market_prices")
    return "oats 240 EUR/t"


@tool("check_pump")
def check_pump(pump: str) -> str:
    """Check a pump."""
    bad = case_of(pump) == 12
    count("check_pump", bad)
    if bad:
        raise ValueError("pump id not found")
    return "running"


@tool("trap_counts")
def trap_counts(field: str) -> str:
    """Counts of the insect traps."""
    count("trap_counts")
    return "12 beetles"


def agent(role, m, tools=(), deleg=False):
    return Agent(role=role, goal=f"Be a good {role}", backstory=f"A {role}.", tools=list(tools), llm=model(m), allow_delegation=deleg, max_iter=6)


def field_crew():
    soil = agent("Soil Analyst", "gpt-4o-mini", [read_soil_sensor, read_lab_report])
    planner = agent("Crop Planner", "gpt-4o", [market_prices], True)
    writer = agent("Report Writer", "gpt-4o-mini")
    t1 = Task(name="soil_task", description="Analyse the soil of {field}", expected_output="soil data", agent=soil)
    t2 = Task(name="plan_task", description="Plan crops for {field}", expected_output="a plan", agent=planner, context=[t1])
    t3 = Task(name="report_task", description="Report on {field}", expected_output="a report", agent=writer, context=[t2])
    return Crew(name="field_crew", agents=[soil, planner, writer], tasks=[t1, t2, t3], process=Process.sequential)


def alarm_crew():
    t = Task(name="alarm_task", description="Handle the alarm of {field}", expected_output="what was done")
    return Crew(name="alarm_crew", agents=[agent("Irrigation Engineer", "gpt-4o-mini", [check_pump]), agent("Pest Scout", "gpt-4o-mini", [trap_counts])], tasks=[t],
                process=Process.hierarchical, manager_agent=agent("Farm Manager", "gpt-4o", deleg=True))


@brain.on("You are Soil Analyst", "Soil Analyst")
def _(r):
    c = case_of(r.all)
    if not r.did("read_soil_sensor"):
        return call("read_soil_sensor", field=f"field, case {c}")
    if "unreachable" in r.did("read_soil_sensor")[-1] and not r.did("read_lab_report"):
        return call("read_lab_report", field=f"field, case {c}")
    return text("Final Answer: pH is fine.")


@brain.on("You are Crop Planner", "Crop Planner")
def _(r):
    c = case_of(r.all)
    if c == 4:
        return fail(500)
    if not r.did("market_prices"):
        return call("market_prices", crop="oats")
    d = next((t for t in r.tools if "elegate" in t), None)
    if c % 2 and d and not r.did(d):
        return call(d, task=f"Measure again, case {c}", context=f"field, case {c}", coworker="Soil Analyst")
    return text("Final Answer: Sow oats.")


@brain.on("You are Report Writer", "Report Writer")
def _(r):
    return text("Final Answer: The report.")


@brain.on("You are Farm Manager", "Farm Manager")
def _(r):
    c = case_of(r.all)
    if c == 14:
        return fail(500)
    d = next(t for t in r.tools if "elegate" in t)
    if r.n == 0:
        return call(d, task=f"Check the pump, case {c}", context=f"case {c}", coworker="Irrigation Engineer")
    return call(d, task=f"Count the beetles, case {c}", context=f"case {c}", coworker="Pest Scout") if r.n == 1 and c != 13 else text("Final Answer: Alarm handled.")


@brain.on("You are Irrigation Engineer", "Irrigation Engineer")
def _(r):
    return call("check_pump", pump=f"pump of case {case_of(r.all)}") if r.n == 0 else text("Final Answer: The pump is fine.")


@brain.on("You are Pest Scout", "Pest Scout")
def _(r):
    return call("trap_counts", field="f1") if r.n == 0 else text("Final Answer: Few beetles.")


o = {"ok": 0, "failed": 0}
for c in (1, 2, 3, 4, 5, 11, 12, 13, 14):
    try:
        (field_crew if c < 10 else alarm_crew)().kickoff(inputs={"field": f"north field, case {c}"})
        o["ok"] += 1
    except Exception as e:
        print(c, type(e), str(e)[:200])
        o["failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": o, "ran": ran}), flush=True)
os._exit(0)
