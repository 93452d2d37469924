"""Insurance claims desk on the OpenAI Agents SDK; opentelemetry-instrumentation-openai-agents (OpenLLMetry).

claims_intake --handoff--> auto_claims --handoff--> settlement_writer
              --handoff--> property_claims
auto_claims has fraud_checker as a tool (check_fraud); claims_intake has an input guardrail that asks scope_screener.
auto_claims: estimate_damage fails for some cases and the model then takes estimate_damage_manual.
property_claims: its model fails; in case 8 the client tries again, in case 9 the run fails.
"""
import asyncio
from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

tp = setup("claims-desk", deployment__environment__name="staging")
from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor
OpenAIAgentsInstrumentor(replace_existing_processors=True).instrument(tracer_provider=tp)

from agents import (Agent, GuardrailFunctionOutput, InputGuardrailTripwireTriggered, RunConfig, Runner, function_tool,
                    input_guardrail, set_default_openai_client)
from openai import AsyncOpenAI

brain = Brain()
llm = FakeLLM(brain).start()
set_default_openai_client(AsyncOpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=1), use_for_tracing=False)
ran = {}


def count(name, err=False):
    c = ran.setdefault(name, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += err


@function_tool
def lookup_policy(policy_no: str) -> str:
    """Look a policy up."""
    count("lookup_policy")
    return "full cover, own risk 300"


@function_tool
def estimate_damage(photo: str) -> str:
    """Estimate the damage from a photo."""
    bad = case_of(photo) in (2, 4)
    count("estimate_damage", bad)
    if bad:
        raise TimeoutError("vision-service: deadline exceeded")
    return "1800"


@function_tool
def estimate_damage_manual(notes: str) -> str:
    """Estimate the damage from the garage's notes."""
    count("estimate_damage_manual")
    return "2000"


@function_tool
def weather_report(day: str) -> str:
    """Weather of a day."""
    count("weather_report")
    return "hail"


@function_tool
def past_claims(holder: str) -> str:
    """Past claims of a policy holder."""
    count("past_claims")
    return "none"


fraud_checker = Agent(name="fraud_checker", model="gpt-4o-mini", instructions="You check for fraud.", tools=[past_claims])
settlement_writer = Agent(name="settlement_writer", model="gpt-4o-mini", instructions="You write settlements.",
                          handoff_description="writes the settlement letter")
auto_claims = Agent(name="auto_claims", model="gpt-4o", instructions="You settle car claims.",
                    tools=[lookup_policy, estimate_damage, estimate_damage_manual,
                           fraud_checker.as_tool(tool_name="check_fraud", tool_description="Check a claim for fraud.")],
                    handoffs=[settlement_writer])
property_claims = Agent(name="property_claims", model="gpt-4o", instructions="You settle house claims.", tools=[lookup_policy, weather_report])
scope_screener = Agent(name="scope_screener", model="gpt-4o-mini", instructions="You screen the scope of questions.")


@input_guardrail(name="in_scope", run_in_parallel=False)
async def in_scope(ctx, agent, question):
    out = await Runner.run(scope_screener, question, context=ctx.context)
    bad = out.final_output == "OUT"
    count("in_scope", bad)
    return GuardrailFunctionOutput(output_info=out.final_output, tripwire_triggered=bad)


claims_intake = Agent(name="claims_intake", model="gpt-4o", instructions="You take claims in.", handoffs=[auto_claims, property_claims], input_guardrails=[in_scope])


@brain.on("You screen the scope", "scope_screener")
def _(r):
    return text("OUT" if case_of(r.first_user) == 7 else "IN")


@brain.on("You take claims in", "claims_intake")
def _(r):
    return call("transfer_to_property_claims" if case_of(r.first_user) in (5, 6, 8, 9) else "transfer_to_auto_claims")


@brain.on("You settle car claims", "auto_claims")
def _(r):
    c = case_of(r.first_user)
    if not r.did("lookup_policy"):
        return calls(call("lookup_policy", policy_no=f"P-{c}"), call("check_fraud", input=f"Claim of case {c}"))
    if not r.did("estimate_damage"):
        return call("estimate_damage", photo=f"photo of case {c}")
    if "rror" in r.did("estimate_damage")[-1] and not r.did("estimate_damage_manual"):
        return call("estimate_damage_manual", notes="bumper")
    return call("transfer_to_settlement_writer") if c != 3 else text("Not covered.")


@brain.on("You settle house claims", "property_claims")
def _(r):
    c = case_of(r.first_user)
    if c in (8, 9) and r.n < 2:
        seen[c] = seen.get(c, 0) + 1
        if c == 9 or seen[c] == 1:
            return fail(500)
    return call("lookup_policy", policy_no=f"P-{c}") if not r.did("lookup_policy") else (
        call("weather_report", day="Monday") if not r.did("weather_report") else text("Roof paid."))


@brain.on("You check for fraud", "fraud_checker")
def _(r):
    return call("past_claims", holder="h1") if r.n == 0 else text("No sign of fraud.")


@brain.on("You write settlements", "settlement_writer")
def _(r):
    return text("Dear customer, we pay.")


seen, o = {}, {"ok": 0, "failed": 0, "guardrail": 0}


async def main():
    for c in range(1, 10):
        try:
            await Runner.run(claims_intake, f"My claim, case {c}", run_config=RunConfig(workflow_name="claims_desk", group_id=f"thread-{c % 4}"))
            o["ok"] += 1
        except InputGuardrailTripwireTriggered:
            o["guardrail"] += 1
        except Exception as e:
            print(c, type(e), str(e)[:120])
            o["failed"] += 1


asyncio.run(main())
tp.shutdown()
print(brain.dump({"outcomes": o, "tools_run": ran}))
