"""Garden centre on BeeAI: RequirementAgents with HandoffTools, and an AgentWorkflow; openinference-instrumentation-beeai.

garden_advisor --(HandoffTool ask_plant_doctor)--> plant_doctor (identify_pest, identify_pest_by_photo)
               --(HandoffTool shop_clerk)-------> shop_clerk (stock_lookup) --(HandoffTool plan_delivery)--> delivery_planner (route_time)
weekly_newsletter (AgentWorkflow): season_writer (weather_outlook), then headline_editor
Failures: see the cases in the scripts below.
"""
import asyncio
from collections import Counter

from fakellm import Brain, FakeLLM, call, fail
from otelboot import setup

tp = setup("garden-centre")
from openinference.instrumentation.beeai import BeeAIInstrumentor
BeeAIInstrumentor().instrument(tracer_provider=tp)

from beeai_framework.adapters.openai import OpenAIChatModel
from beeai_framework.agents.requirement import RequirementAgent
from beeai_framework.tools import tool
from beeai_framework.tools.handoff import HandoffTool
from beeai_framework.workflows.agent import AgentWorkflow, AgentWorkflowInput

brain = Brain()
llm = FakeLLM(brain).start()
done, failures = Counter(), Counter()


def chat(name):
    return OpenAIChatModel(name, base_url=llm.url + "/v1", api_key="x")


def ran(name, broken=None):
    done[name] += 1
    if broken:
        done[name + " ERROR"] += 1
        raise broken


@tool
def identify_pest(symptoms: str) -> str:
    """Identify a pest from its symptoms."""
    ran("identify_pest", ConnectionError("pest database is down") if now in (3, 6) else None)
    return "aphids"


@tool
def identify_pest_by_photo(photo: str) -> str:
    """Identify a pest from a photo."""
    ran("identify_pest_by_photo")
    return "aphids"


@tool
def stock_lookup(article: str) -> str:
    """Look up the stock of an article."""
    ran("stock_lookup", ValueError("unknown article") if now == 4 and article == "soap" else None)
    return "12"


@tool
def route_time(to: str) -> str:
    """Driving time."""
    ran("route_time")
    return "25 minutes"


@tool
def weather_outlook(weeks: int) -> str:
    """The weather to come."""
    ran("weather_outlook")
    return "mild"


def agent(name, tools, model, mind):
    return RequirementAgent(llm=chat(model), tools=tools, name=name, description=name.replace("_", " "), role=mind, tool_call_checker=False)


def advisor():
    planner = agent("delivery_planner", [route_time], "gpt-4o-mini", "the planner of deliveries")
    clerk = agent("shop_clerk", [stock_lookup, HandoffTool(planner, name="plan_delivery", description="Plan a delivery")], "gpt-4o-mini", "the clerk of the shop")
    doctor = agent("plant_doctor", [identify_pest, identify_pest_by_photo], "gpt-4o-mini", "the doctor of plants")
    return agent("garden_advisor", [HandoffTool(doctor, name="ask_plant_doctor", description="Ask the plant doctor"), HandoffTool(clerk)], "gpt-4o", "the advisor of gardeners")


def end(s):
    return call("final_answer", response=s)


@brain.on("Assume the role of the advisor", "garden_advisor")
def _(r):
    if now == 7:
        return fail(400, "content filter")
    acts = [call("ask_plant_doctor", task="What is wrong with the roses?")] if now != 2 else []
    acts += [call("shop_clerk", task="Do we have soap?")] if now != 5 else []
    return (acts + [end("Use soap.")])[r.n]


@brain.on("Assume the role of the doctor", "plant_doctor")
def _(r):
    acts = [call("identify_pest", symptoms="curled leaves")] + ([call("identify_pest_by_photo", photo="p.jpg")] if now in (3, 6) else [])
    return (acts + [end("Aphids.")])[r.n]


@brain.on("Assume the role of the clerk", "shop_clerk")
def _(r):
    if now == 2:
        failures["clerk"] += 1
        if failures["clerk"] == 1:
            return fail(500)
    acts = [call("stock_lookup", article="soap")]
    acts += [call("stock_lookup", article="black soap")] if now == 4 else []
    acts += [call("plan_delivery", task="Deliver to the customer")] if now in (1, 2, 4) else []
    return (acts + [end("In stock.")])[r.n]


@brain.on("Assume the role of the planner", "delivery_planner")
def _(r):
    return [call("route_time", to="customer"), end("On Friday.")][r.n]


@brain.on("Assume the role of the writer", "season_writer")
def _(r):
    return [call("weather_outlook", weeks=2), end("It stays mild.")][r.n]


@brain.on("Assume the role of the editor", "headline_editor")
def _(r):
    return end("Mild weeks ahead")


async def main():
    global now
    o = Counter()
    for now in range(1, 8):
        try:
            r = await advisor().run(f"My roses are ill, case {now}", max_retries_per_step=1, total_max_retries=2)
            print(now, r.last_message.text)
            o["advice ok"] += 1
        except Exception as e:
            print(now, type(e), str(e)[:200])
            o["advice failed"] += 1
    for now in (11, 12):
        w = AgentWorkflow(name="weekly_newsletter")
        w.add_agent(agent("season_writer", [weather_outlook], "gpt-4o-mini", "the writer of the newsletter"))
        w.add_agent(agent("headline_editor", [], "gpt-4o", "the editor of headlines"))
        r = await w.run([AgentWorkflowInput(prompt=f"Write about the season, case {now}"), AgentWorkflowInput(prompt="Write a headline")])
        print(now, r.result.final_answer)
        o["newsletter ok"] += 1
    return o


o = asyncio.run(main())
tp.shutdown()
print(brain.dump({"outcomes": o, "done": done}))
