"""Parcel customer service on Semantic Kernel (Python), its own diagnostics.

Part 1, agents as plugins: service_desk -> tracking_agent (plugin Parcels), refund_agent (plugin Refunds)
Part 2, HandoffOrchestration: triage_agent -> billing_agent -> escalation_agent
Part 3, GroupChatOrchestration (round robin): copywriter, brand_reviewer, copywriter
"""
import asyncio
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("parcel-service")
from openai import AsyncOpenAI
from semantic_kernel.agents import (ChatCompletionAgent, GroupChatOrchestration, HandoffOrchestration, OrchestrationHandoffs,
                                    RoundRobinGroupChatManager)
from semantic_kernel.agents.runtime import InProcessRuntime
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function

brain = Brain()
llm = FakeLLM(brain).start()
ran, outcomes = {}, {}


def service(m):
    return OpenAIChatCompletion(ai_model_id=m, async_client=AsyncOpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0))


def count(k, bad=False):
    c = ran.setdefault(k, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += bad


class Parcels:
    @kernel_function(description="Track a parcel")
    def track_parcel(self, number: str) -> str:
        bad = case_of(number) in (2, 6)
        count("Parcels-track_parcel", bad)
        if bad:
            raise ConnectionError("carrier api: connection refused")
        return "in Hamburg"

    @kernel_function(description="Ask the carrier's old status page")
    def carrier_status_page(self, number: str) -> str:
        count("Parcels-carrier_status_page")
        return "on its way"


class Refunds:
    @kernel_function(description="Refund a parcel")
    def refund_parcel(self, number: str) -> str:
        count("Refunds-refund_parcel")
        return "refunded"


class Ledger:
    @kernel_function(description="Find an invoice")
    def find_invoice(self, number: str) -> str:
        bad = case_of(number) == 13
        count("Ledger-find_invoice", bad)
        if bad:
            raise TimeoutError("ledger: timed out")
        return "invoice 77: 12 EUR"


@brain.on("You run the service desk", "service_desk")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("tracking_agent-tracking_agent"):
        return call("tracking_agent-tracking_agent", messages=f"Where is the parcel of case {c}?")
    n = len(r.did("refund_agent-refund_agent"))
    if n == 0 or (c == 4 and n == 1):
        return call("refund_agent-refund_agent", messages=f"Refund case {c}, attempt {n + 1}")
    return text("It is refunded.")


@brain.on("You track parcels", "tracking_agent")
def _(r):
    c = case_of(r.first_user)
    if not r.did("Parcels-track_parcel"):
        return call("Parcels-track_parcel", number=f"case-{c}")
    if c in (2, 6) and not r.did("Parcels-carrier_status_page"):
        return call("Parcels-carrier_status_page", number=f"case-{c}")
    return text("It is in Hamburg.")


@brain.on("You refund parcels", "refund_agent")
def _(r):
    if "case 4, attempt 1" in r.first_user:
        return fail(500)
    return call("Refunds-refund_parcel", number="p") if not r.n else text("Refunded.")


@brain.on("You triage", "triage_agent")
def _(r):
    return call("Handoff-transfer_to_escalation_agent" if case_of(r.first_user) == 12 else "Handoff-transfer_to_billing_agent")


@brain.on("You do billing", "billing_agent")
def _(r):
    c = case_of(r.first_user)
    if not r.did("Ledger-find_invoice"):
        return call("Ledger-find_invoice", number=f"case-{c}")
    return call("Handoff-transfer_to_escalation_agent") if c == 13 else call("Handoff-complete_task", task_summary="billed")


@brain.on("You handle escalations", "escalation_agent")
def _(r):
    return call("Handoff-complete_task", task_summary="called the customer")


@brain.on("You write copy", "copywriter")
def _(r):
    return text("Parcels, but faster.")


@brain.on("You review copy", "brand_reviewer")
def _(r):
    return fail(500) if case_of(r.first_user) == 22 else text("Make it shorter.")


async def attempt(flow, coro):
    o = outcomes.setdefault(flow, {"runs": 0, "failed": 0})
    o["runs"] += 1
    try:
        print(flow, str(await coro)[:100].replace("\n", " "))
    except Exception as e:
        print(flow, "FAILED", type(e).__name__, str(e)[:150])
        o["failed"] += 1


def agent(name, m, what, does, plugins=()):
    return ChatCompletionAgent(service=service(m), name=name, instructions=what, description=does, plugins=list(plugins))


async def orchestrate(o, task):
    rt = InProcessRuntime()
    rt.start()
    try:
        return await (await o.invoke(task=task, runtime=rt)).get(timeout=20)
    finally:
        await rt.stop_when_idle()


def support():
    a = [agent("triage_agent", "gpt-4o-mini", "You triage.", "Triages"), agent("billing_agent", "gpt-4o", "You do billing.", "Billing", [Ledger()]),
         agent("escalation_agent", "gpt-4o", "You handle escalations.", "Escalations")]
    h = OrchestrationHandoffs().add_many("triage_agent", ["billing_agent", "escalation_agent"]).add("billing_agent", "escalation_agent")
    return HandoffOrchestration(members=a, handoffs=h, name="support_line")


def ads():
    a = [agent("copywriter", "gpt-4o", "You write copy.", "Writes copy"), agent("brand_reviewer", "gpt-4o-mini", "You review copy.", "Reviews copy")]
    return GroupChatOrchestration(members=a, manager=RoundRobinGroupChatManager(max_rounds=3), name="ad_room")


async def main():
    tracking = agent("tracking_agent", "gpt-4o-mini", "You track parcels.", "Tracks parcels", [Parcels()])
    refund = agent("refund_agent", "gpt-4o-mini", "You refund parcels.", "Refunds parcels", [Refunds()])
    desk = agent("service_desk", "gpt-4o", "You run the service desk.", "The desk", [tracking, refund])
    for c in range(1, 8):
        await attempt("service_desk", desk.get_response(messages=f"My parcel is late, case {c}"))
    for c in range(11, 14):
        await attempt("support_line", orchestrate(support(), f"Wrong bill, case {c}"))
    for c in range(21, 24):
        await attempt("ad_room", orchestrate(ads(), f"New slogan please, case {c}"))


asyncio.run(main())
tp.shutdown()
print(brain.dump({"tools_run": ran, "outcomes": outcomes}))
