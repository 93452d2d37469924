"""Insurance claims desk: LangGraph StateGraph of LangChain create_agent sub-graphs; openinference-instrumentation-langchain.

claims_desk (StateGraph): claims_supervisor (a node that asks a model and answers Command(goto=...))
  -> policy_agent (lookup_policy, search_terms, ask_actuary -> actuary_agent: an agent as a tool)
  -> damage_agent (estimate_repair; its tools transfer_to_fraud_agent, transfer_to_letter_agent pass control on to its siblings)
       -> fraud_agent (check_history)
  -> letter_agent (no tools)
Every worker but damage_agent goes back to claims_supervisor by a fixed edge.  Failures: see the cases in the script below.
"""
from collections import Counter
from typing import Annotated

from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

tp = setup("claims-desk")
from openinference.instrumentation.langchain import LangChainInstrumentor
LangChainInstrumentor().instrument(tracer_provider=tp)

from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, ToolErrorMiddleware, ToolRetryMiddleware
from langchain.tools import InjectedToolCallId, tool
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

brain = Brain()
llm = FakeLLM(brain).start()
done, seen = Counter(), Counter()


def chat(name):
    return ChatOpenAI(model=name, base_url=llm.url + "/v1", api_key="x", max_retries=0)


@tool
def lookup_policy(number: str) -> str:
    """Look a policy up."""
    done["lookup_policy"] += 1
    return "comprehensive, excess 300"


@tool
def search_terms(words: str) -> str:
    """Search the terms and conditions."""
    done["search_terms"] += 1
    return "par. 12: hail is covered"


@tool
def ask_actuary(question: str) -> str:
    """Ask the actuary."""
    done["ask_actuary"] += 1
    return actuary_agent.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text


@tool
def estimate_repair(car: str) -> str:
    """Estimate the cost of a repair."""
    done["estimate_repair"] += 1
    if case_of(car) == 3:
        done["estimate_repair ERROR"] += 1
        raise ValueError("no price list for this car")
    return "2400"


@tool
def check_history(claimant: str) -> str:
    """Earlier claims of a claimant."""
    done["check_history"] += 1
    seen[claimant] += 1
    if case_of(claimant) == 4 and seen[claimant] == 1:
        done["check_history ERROR"] += 1
        raise TimeoutError("claims archive timed out")
    return "no earlier claims"


def passed_on(name, words):
    done["transfer_to_" + name] += 1
    return Command(goto=name, graph=Command.PARENT, update={"messages": [HumanMessage(f"{words}, case {now}")]})


@tool
def transfer_to_fraud_agent(id: Annotated[str, InjectedToolCallId]) -> Command:
    """Pass the claim on to the fraud agent."""
    return passed_on("fraud_agent", "Check this claim for fraud")


@tool
def transfer_to_letter_agent(id: Annotated[str, InjectedToolCallId]) -> Command:
    """Pass the claim on to the letter agent."""
    return passed_on("letter_agent", "Write to the customer")


def tool_error(e, req):
    return f"Error: {e}"


actuary_agent = create_agent(chat("gpt-4o-mini"), [], name="actuary_agent", system_prompt="You are the actuary.")
policy_agent = create_agent(chat("gpt-4o"), [lookup_policy, search_terms, ask_actuary], name="policy_agent", system_prompt="You know policies.")
damage_agent = create_agent(chat("gpt-4o"), [estimate_repair, transfer_to_fraud_agent, transfer_to_letter_agent], name="damage_agent", system_prompt="You assess damage.",
                            middleware=[ModelFallbackMiddleware(chat("gpt-4.1-mini")), ToolErrorMiddleware(on_error=tool_error, tools=["estimate_repair"])])
fraud_agent = create_agent(chat("gpt-4o"), [check_history], name="fraud_agent", system_prompt="You look for fraud.",
                           middleware=[ToolRetryMiddleware(max_retries=2, initial_delay=0.01, jitter=False)])
letter_agent = create_agent(chat("gpt-4o-mini"), [], name="letter_agent", system_prompt="You write letters to customers.",
                            middleware=[ModelRetryMiddleware(max_retries=2, initial_delay=0.01, jitter=False)])
router = chat("gpt-4o").with_fallbacks([chat("gpt-4o-mini")])


def claims_supervisor(state: MessagesState) -> Command:
    answer = router.invoke([SystemMessage("You are the claims supervisor."), HumanMessage("Next step? case %d" % now)]).text
    done["goto " + answer] += 1
    return Command(goto=END if answer == "finish" else answer, update={"messages": [HumanMessage(f"Please go on, case {now}")]})


g = StateGraph(MessagesState)
g.add_node("claims_supervisor", claims_supervisor, destinations=("policy_agent", "damage_agent", "letter_agent", END))
for a in (policy_agent, damage_agent, fraud_agent, letter_agent):
    g.add_node(a.name, a)
    if a is not damage_agent:
        g.add_edge(a.name, "claims_supervisor")
g.add_edge(START, "claims_supervisor")
desk = g.compile(name="claims_desk")

steps = Counter()


@brain.on("You are the claims supervisor", "claims_supervisor")
def _(r):
    if now == 7 or (now == 2 and steps[now] == 0 and r.model == "gpt-4o"):
        return fail(500)
    steps[now] += 1
    plan = ["letter_agent", "finish"] if now == 8 else ["policy_agent", "damage_agent"] + (["letter_agent"] if now in (2, 4, 6) else []) + ["finish"]
    return text(plan[steps[now] - 1])


@brain.on("You are the actuary", "actuary_agent")
def _(r):
    return text("Risk class 4.")


@brain.on("You know policies", "policy_agent")
def _(r):
    if not r.n:
        return calls(call("lookup_policy", number=f"P-{now}"), call("search_terms", words="hail"))
    if now in (1, 4, 5) and not r.did("ask_actuary"):
        return call("ask_actuary", question="Which risk class?")
    return text("It is covered.")


@brain.on("You assess damage", "damage_agent")
def _(r):
    if now == 5 and r.model == "gpt-4o" and not r.n:
        return fail(500)
    if not r.n:
        return call("estimate_repair", car=f"car of case {now}")
    return call("transfer_to_fraud_agent" if now in (2, 4, 6) else "transfer_to_letter_agent")


@brain.on("You look for fraud", "fraud_agent")
def _(r):
    return call("check_history", claimant=f"claimant of case {now}") if not r.n else text("Nothing suspicious.")


@brain.on("You write letters", "letter_agent")
def _(r):
    seen[f"letter {now}"] += 1
    return fail(500) if now == 6 and seen[f"letter {now}"] == 1 else text("Dear customer, ...")


o = Counter()
for now in range(1, 9):
    try:
        desk.invoke({"messages": [HumanMessage(f"Hail on my car, case {now}")]}, {"configurable": {"thread_id": f"claim-{now}"}, "metadata": {"session_id": f"s-{now % 3}"}})
        o["ok"] += 1
    except Exception as e:
        print(now, type(e), str(e)[:200])
        o["failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": o, "done": done}))
