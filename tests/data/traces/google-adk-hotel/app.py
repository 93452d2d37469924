"""Hotel front desk on Google ADK, native telemetry.

Part 1: concierge hands over (transfer_to_agent) to booking_desk or complaints_desk.
Part 2: night_audit, a SequentialAgent (ledger_reader, then a ParallelAgent of two checkers), and translator as an AgentTool of complaints_desk.
"""
import asyncio
import os

from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("hotel-desk")
from google.adk.agents import LlmAgent, ParallelAgent, SequentialAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

brain = Brain()
llm = FakeLLM(brain).start()
tools = {}


def model(m):
    return LiteLlm(model="openai/" + m, api_base=llm.url + "/v1", api_key="x", num_retries=0)


def counted(name, error=False):
    t = tools.setdefault(name, {"calls": 0, "errors": 0})
    t["calls"] += 1
    t["errors"] += error


def find_room(case: int) -> dict:
    """Find a free room."""
    bad = case in (3,)
    counted("find_room", bad)
    if bad:
        raise ConnectionError("pms: no route to host")
    return {"room": 212}


def reserve(case: int) -> dict:
    """Reserve the room."""
    counted("reserve")
    return {"ok": True}


def refund(case: int) -> dict:
    """Refund a guest."""
    counted("refund")
    return {"refunded": 20}


def read_ledger(day: str) -> dict:
    """Read the day's ledger."""
    counted("read_ledger")
    return {"total": 12000}


@brain.on("You are the concierge", "concierge")
def _(r):
    c = case_of(r.first_user)
    return call("transfer_to_agent", agent_name="complaints_desk" if c in (4, 5) else "booking_desk")


@brain.on("You book rooms", "booking_desk")
def _(r):
    c = case_of(r.first_user)
    if c == 6:
        return fail(500)
    if not r.did("find_room") and not r.did("reserve") and "212" not in r.all and "no route" not in r.all:
        return call("find_room", case=c)
    if "no route" in r.all:
        return text("No room today.")
    return call("reserve", case=c) if not r.did("reserve") else text("Reserved.")


@brain.on("You handle complaints", "complaints_desk")
def _(r):
    if not r.did("translator"):
        return call("translator", request=f"Translate the complaint, case {case_of(r.first_user)}")
    return call("refund", case=case_of(r.first_user)) if not r.did("refund") else text("Refunded.")


@brain.on("You translate", "translator")
def _(r):
    return text("Too loud.")


@brain.on("You read the ledger", "ledger_reader")
def _(r):
    return call("read_ledger", day="today") if not r.did("read_ledger") else text("12000")


@brain.on("You check taxes", "tax_checker")
def _(r):
    return text("Taxes fine.")


@brain.on("You check cash", "cash_checker")
def _(r):
    return text("Cash fine.")


translator = LlmAgent(name="translator", model=model("gpt-4o-mini"), instruction="You translate.", description="Translates")
booking = LlmAgent(name="booking_desk", model=model("gpt-4o"), instruction="You book rooms.", description="Books", tools=[find_room, reserve], disallow_transfer_to_parent=True, disallow_transfer_to_peers=True)
complaints = LlmAgent(name="complaints_desk", model=model("gpt-4o"), instruction="You handle complaints.", description="Complaints", tools=[refund, AgentTool(translator)], disallow_transfer_to_parent=True, disallow_transfer_to_peers=True)
concierge = LlmAgent(name="concierge", model=model("gpt-4o-mini"), instruction="You are the concierge.", sub_agents=[booking, complaints])
audit = SequentialAgent(
    name="night_audit",
    sub_agents=[
        LlmAgent(name="ledger_reader", model=model("gpt-4o-mini"), instruction="You read the ledger.", tools=[read_ledger]),
        ParallelAgent(
            name="checkers",
            sub_agents=[
                LlmAgent(name="tax_checker", model=model("gpt-4o-mini"), instruction="You check taxes."),
                LlmAgent(name="cash_checker", model=model("gpt-4o-mini"), instruction="You check cash."),
            ],
        ),
    ],
)
out = {"concierge": {"ok": 0, "failed": 0}, "night_audit": {"ok": 0, "failed": 0}}


async def once(agent, question):
    runner = InMemoryRunner(agent=agent, app_name="hotel")
    session = await runner.session_service.create_session(app_name="hotel", user_id="u")
    try:
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=types.Content(role="user", parts=[types.Part(text=question)])):
            pass
        out[agent.name]["ok"] += 1
    except Exception as e:
        print(question, type(e), str(e)[:200])
        out[agent.name]["failed"] += 1


async def main():
    for c in range(1, 7):
        await once(concierge, f"Guest wish, case {c}")
    for c in range(11, 13):
        await once(audit, f"Audit, case {c}")


asyncio.run(main())
tp.shutdown()
print(brain.dump({"outcomes": out, "tools": tools}))
