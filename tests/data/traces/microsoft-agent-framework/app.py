"""Motor insurance claims on Microsoft Agent Framework, its own telemetry.

Part 1, agents as tools: claims_desk -> policy_expert (tool ask_policy_expert), damage_assessor (tool assess_damage)
Part 2, handoff workflow "claim_intake": intake_clerk -> fraud_checker -> payout_clerk (or intake_clerk -> payout_clerk)
Part 3, sequential workflow "decision_letter": letter_writer, then letter_editor
"""
import asyncio
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("motor-claims")
from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient
from agent_framework.orchestrations import HandoffBuilder, SequentialBuilder
from openai import AsyncOpenAI

brain = Brain()
llm = FakeLLM(brain).start()
ran, outcomes = {}, {}


def client(m, retries=0):
    return OpenAIChatCompletionClient(model=m, async_client=AsyncOpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=retries))


def count(k, bad=False):
    c = ran.setdefault(k, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += bad


@tool
def lookup_policy(number: str) -> str:
    """Look a policy up."""
    bad = case_of(number) in (2, 6)
    count("lookup_policy", bad)
    if bad:
        raise ConnectionError("policy-db: connection reset")
    return "comprehensive, deductible 300"


@tool
def lookup_policy_archive(number: str) -> str:
    """Look a policy up in the archive."""
    count("lookup_policy_archive")
    return "comprehensive (archived)"


@tool
def estimate_repair(part: str) -> str:
    """Estimate a repair."""
    count("estimate_repair")
    return "1840 EUR"


@tool
def check_blacklist(person: str) -> str:
    """Check the fraud register."""
    bad = case_of(person) == 13
    count("check_blacklist", bad)
    if bad:
        raise TimeoutError("fraud register: timed out")
    return "clean"


@tool
def issue_payment(amount: float) -> str:
    """Pay out."""
    count("issue_payment")
    return "paid"


@brain.on("You run the claims desk", "claims_desk")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("ask_policy_expert"):
        return call("ask_policy_expert", question=f"Is case {c} covered?")
    n = len(r.did("assess_damage"))
    if n == 0 or (c == 4 and n == 1):
        return call("assess_damage", task=f"Assess case {c}, attempt {n + 1}")
    return text("Covered, 1540 EUR to pay.")


@brain.on("You know every policy", "policy_expert")
def _(r):
    c = case_of(r.first_user)
    if not r.did("lookup_policy"):
        return call("lookup_policy", number=f"case-{c}")
    if c in (2, 6) and not r.did("lookup_policy_archive"):
        return call("lookup_policy_archive", number=f"case-{c}")
    return text("Covered.")


@brain.on("You assess damage", "damage_assessor")
def _(r):
    if "case 4, attempt 1" in r.first_user:
        return fail(500)
    return call("estimate_repair", part="bumper") if not r.n else text("1840 EUR.")


@brain.on("You take claims in", "intake_clerk")
def _(r):
    c = case_of(r.first_user)
    return call("handoff_to_payout_clerk" if c == 12 else "handoff_to_fraud_checker")


@brain.on("You check for fraud", "fraud_checker")
def _(r):
    c = case_of(r.first_user)
    return call("check_blacklist", person=f"case-{c}") if not r.did("check_blacklist") else call("handoff_to_payout_clerk")


@brain.on("You pay claims out", "payout_clerk")
def _(r):
    return call("issue_payment", amount=1540) if not r.did("issue_payment") else text("CLOSED: paid 1540 EUR.")


@brain.on("You write decision letters", "letter_writer")
def _(r):
    return text("Dear customer, we pay.")


@brain.on("You edit decision letters", "letter_editor")
def _(r):
    c = case_of(r.first_user)
    return fail(500) if c == 23 else text("Dear Ms Ames, we pay.")


async def attempt(flow, coro):
    o = outcomes.setdefault(flow, {"runs": 0, "failed": 0})
    o["runs"] += 1
    try:
        print(flow, str(await coro)[:120].replace("\n", " "))
    except Exception as e:
        print(flow, "FAILED", type(e).__name__, str(e)[:150])
        o["failed"] += 1


def desk():
    expert = Agent(client("gpt-4o-mini"), "You know every policy.", name="policy_expert", description="Knows the policies", tools=[lookup_policy, lookup_policy_archive])
    assessor = Agent(client("gpt-4o-mini"), "You assess damage.", name="damage_assessor", description="Assesses damage", tools=[estimate_repair])
    return Agent(client("gpt-4o"), "You run the claims desk.", name="claims_desk",
                 tools=[expert.as_tool(name="ask_policy_expert", arg_name="question"), assessor.as_tool(name="assess_damage")])


def intake():
    a = [Agent(client("gpt-4o"), p, name=n, tools=t, require_per_service_call_history_persistence=True) for n, p, t in
         [("intake_clerk", "You take claims in.", []), ("fraud_checker", "You check for fraud.", [check_blacklist]), ("payout_clerk", "You pay claims out.", [issue_payment])]]
    return (HandoffBuilder(name="claim_intake", participants=a, termination_condition=lambda conv: any("CLOSED" in (m.text or "") for m in conv))
            .with_start_agent(a[0]).add_handoff(a[0], [a[1], a[2]]).add_handoff(a[1], [a[2]]).build())


def letter():
    a = [Agent(client("gpt-4o-mini"), p, name=n) for n, p in [("letter_writer", "You write decision letters."), ("letter_editor", "You edit decision letters.")]]
    return SequentialBuilder(name="decision_letter", participants=a).build()


async def main():
    d = desk()
    for c in range(1, 8):
        await attempt("claims_desk", d.run(f"A car was hit, case {c}"))
    for c in range(11, 15):
        await attempt("claim_intake", intake().run(f"New claim, case {c}"))
    for c in range(21, 25):
        await attempt("decision_letter", letter().run(f"Write the letter, case {c}"))


asyncio.run(main())
tp.shutdown()
print(brain.dump({"tools_run": ran, "outcomes": outcomes}))
