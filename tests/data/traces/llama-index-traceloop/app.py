"""Veterinary clinic on LlamaIndex AgentWorkflow; opentelemetry-instrumentation-llamaindex (OpenLLMetry).

reception_agent --handoff--> triage_agent --handoff--> pharmacy_agent; reception_agent --handoff--> billing_agent
lookup_dosage fails for some cases and the model then takes dosage_handbook; the model of triage_agent fails in case 5 (the run fails);
triage_agent's model fails once in case 6 and the app runs the whole question again.
"""
import asyncio
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("vet-clinic")
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor
LlamaIndexInstrumentor().instrument(tracer_provider=tp)

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai_like import OpenAILike

brain = Brain()
llm = FakeLLM(brain).start()
ran = {}


def count(name, err=False):
    c = ran.setdefault(name, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += err


def model(m):
    return OpenAILike(model=m, api_base=llm.url + "/v1", api_key="x", is_chat_model=True, is_function_calling_model=True, max_retries=0)


def find_patient(name: str) -> str:
    """Find a patient's file."""
    count("find_patient")
    return "Rex, dog, 12 kg"


def check_symptoms(symptoms: str) -> str:
    """Check symptoms."""
    count("check_symptoms")
    return "likely an ear infection"


def lookup_dosage(drug: str) -> str:
    """Look a dosage up online."""
    bad = case_of(drug) in (2, 4)
    count("lookup_dosage", bad)
    if bad:
        raise ConnectionError("formulary service unreachable")
    return "5 mg"


def dosage_handbook(drug: str) -> str:
    """Look a dosage up in the handbook."""
    count("dosage_handbook")
    return "5 mg"


def open_invoice(patient: str) -> str:
    """Open a patient's invoice."""
    count("open_invoice")
    return "80 EUR"


def desk():
    return AgentWorkflow(agents=[
        FunctionAgent(name="reception_agent", description="takes owners in", system_prompt="You are the reception.", llm=model("gpt-4o"), tools=[find_patient], can_handoff_to=["triage_agent", "billing_agent"]),
        FunctionAgent(name="triage_agent", description="judges symptoms", system_prompt="You are the triage vet.", llm=model("gpt-4o"), tools=[check_symptoms], can_handoff_to=["pharmacy_agent"]),
        FunctionAgent(name="pharmacy_agent", description="gives drugs out", system_prompt="You are the pharmacist.", llm=model("gpt-4o-mini"), tools=[lookup_dosage, dosage_handbook], can_handoff_to=[]),
        FunctionAgent(name="billing_agent", description="handles invoices", system_prompt="You are the billing clerk.", llm=model("gpt-4o-mini"), tools=[open_invoice], can_handoff_to=[]),
    ], root_agent="reception_agent", timeout=30)


@brain.on("You are the reception", "reception_agent")
def _(r):
    if not r.did("find_patient"):
        return call("find_patient", name="Rex")
    return call("handoff", to_agent="billing_agent" if case_of(r.first_user) in (3, 7) else "triage_agent", reason="next")


@brain.on("You are the triage vet", "triage_agent")
def _(r):
    c = case_of(r.first_user)
    if c == 5 or (c == 6 and tries.append(1) is None and len(tries) == 1):
        return fail(500)
    return call("check_symptoms", symptoms="scratching") if not r.did("check_symptoms") else call("handoff", to_agent="pharmacy_agent", reason="drug")


@brain.on("You are the pharmacist", "pharmacy_agent")
def _(r):
    c = case_of(r.first_user)
    if not r.did("lookup_dosage"):
        return call("lookup_dosage", drug=f"otomax, case {c}")
    return call("dosage_handbook", drug="otomax") if "unreachable" in r.did("lookup_dosage")[-1] and not r.did("dosage_handbook") else text("5 mg twice a day.")


@brain.on("You are the billing clerk", "billing_agent")
def _(r):
    return call("open_invoice", patient="Rex") if not r.did("open_invoice") else text("80 EUR.")


tries, o = [], {"ok": 0, "failed": 0}


async def main():
    for c in (1, 2, 3, 4, 5, 6, 6, 7):
        try:
            await desk().run(user_msg=f"Rex is not well, case {c}")
            o["ok"] += 1
        except Exception as e:
            print(c, type(e), str(e)[:120])
            o["failed"] += 1


asyncio.run(main())
tp.shutdown()
print(brain.dump({"outcomes": o, "ran": ran}))
