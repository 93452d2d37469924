"""Museum back office on AutoGen AgentChat, only AutoGen's own spans.

Part 1, Swarm with handoffs: front_desk -> tour_guide | ticket_clerk, tour_guide -> ticket_clerk
Part 2, SelectorGroupChat (a model picks the next speaker): curator, provenance_researcher, insurer
Part 3, agents as tools: director -> archivist (AgentTool), translator (AgentTool)
"""
import asyncio
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("museum-office")
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import SelectorGroupChat, Swarm
from autogen_agentchat.tools import AgentTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

brain = Brain()
llm = FakeLLM(brain).start()
ran, outcomes = {}, {}


def client(m, **kw):
    return OpenAIChatCompletionClient(model=m, base_url=llm.url + "/v1", api_key="x", max_retries=0, **kw)


def count(k, bad=False):
    c = ran.setdefault(k, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += bad


async def book_tour(group: str) -> str:
    """Book a tour."""
    count("book_tour")
    return "booked"


async def refund_ticket(ticket: str) -> str:
    """Refund a ticket."""
    bad = case_of(ticket) == 3
    count("refund_ticket", bad)
    if bad:
        raise ConnectionError("till: connection refused")
    return "refunded"


async def refund_by_voucher(ticket: str) -> str:
    """Refund a ticket by voucher."""
    count("refund_by_voucher")
    return "voucher sent"


async def search_registry(work: str) -> str:
    """Search the register of lost art."""
    count("search_registry")
    return "clean"


async def search_archive(topic: str) -> str:
    """Search the archive."""
    bad = case_of(topic) == 22
    count("search_archive", bad)
    if bad:
        raise TimeoutError("archive: timed out")
    return "a letter of 1891"


@brain.on("You are the front desk", "front_desk")
def _(r):
    return call("transfer_to_tour_guide" if case_of(r.all) == 2 else "transfer_to_ticket_clerk")


@brain.on("You guide tours", "tour_guide")
def _(r):
    return call("book_tour", group="g") if not r.did("book_tour") else call("transfer_to_ticket_clerk")


@brain.on("You handle tickets", "ticket_clerk")
def _(r):
    c = case_of(r.all)
    if c == 4:
        return fail(500)
    if not r.did("refund_ticket"):
        return call("refund_ticket", ticket=f"case-{c}")
    if c == 3 and not r.did("refund_by_voucher"):
        return call("refund_by_voucher", ticket=f"case-{c}")
    return text("DONE")


@brain.on("You are in a role play game", "SELECTOR exhibition")
def _(r):
    h = r.all.split("Read the following conversation")[-1]
    return text("insurer" if "provenance_researcher:" in h else "provenance_researcher" if "curator:" in h else "curator")


@brain.on("You curate", "curator")
def _(r):
    return text("Let us show the portrait.")


@brain.on("You research provenance", "provenance_researcher")
def _(r):
    return call("search_registry", work="portrait") if not r.did("search_registry") else text("Clean.")


@brain.on("You insure", "insurer")
def _(r):
    return text("Insured. DONE")


@brain.on("You direct the museum", "director")
def _(r):
    c = case_of(r.first_user)
    if not r.did("archivist"):
        return call("archivist", task=f"Find letters, case {c}")
    return call("translator", task=f"Translate the letter, case {c}") if not r.did("translator") else text("Letter ready.")


@brain.on("You keep the archive", "archivist")
def _(r):
    c = case_of(r.all)
    return call("search_archive", topic=f"case-{c}") if not r.did("search_archive") else text("A letter of 1891.")


@brain.on("You translate", "translator")
def _(r):
    return fail(500) if case_of(r.all) == 23 else text("Dear friend.")


def agent(name, m, what, tools=(), handoffs=(), turns=1):
    return AssistantAgent(name, client(m), system_message=what, description=what, tools=list(tools) or None, handoffs=list(handoffs) or None, max_tool_iterations=turns)


def stop():
    return TextMentionTermination("DONE") | MaxMessageTermination(20)


def desk():
    return Swarm([agent("front_desk", "gpt-4o-mini", "You are the front desk.", handoffs=["tour_guide", "ticket_clerk"]),
                  agent("tour_guide", "gpt-4o", "You guide tours.", [book_tour], ["ticket_clerk"]),
                  agent("ticket_clerk", "gpt-4o", "You handle tickets.", [refund_ticket, refund_by_voucher])], termination_condition=stop(), name="visitor_desk")


def exhibition():
    return SelectorGroupChat([agent("curator", "gpt-4o", "You curate."), agent("provenance_researcher", "gpt-4o", "You research provenance.", [search_registry], turns=3),
                              agent("insurer", "gpt-4o", "You insure.")], model_client=client("gpt-4o-mini"), termination_condition=stop(), name="exhibition_team")


def director():
    # parallel_tool_calls off: agents as tools keep state
    return AssistantAgent("director", client("gpt-4o", parallel_tool_calls=False), system_message="You direct the museum.", max_tool_iterations=4,
                          tools=[AgentTool(agent("archivist", "gpt-4o-mini", "You keep the archive.", [search_archive], turns=3), return_value_as_last_message=True),
                                 AgentTool(agent("translator", "gpt-4o-mini", "You translate."), return_value_as_last_message=True)])


async def attempt(flow, coro):
    o = outcomes.setdefault(flow, {"runs": 0, "failed": 0})
    o["runs"] += 1
    try:
        r = await coro
        print(flow, r.stop_reason, str(r.messages[-1])[:80])
    except Exception as e:
        print(flow, "FAILED", type(e).__name__, str(e)[:150].replace("\n", " "))
        o["failed"] += 1


async def main():
    for c in range(1, 6):
        await attempt("visitor_desk", desk().run(task=f"I cannot come, case {c}"))
    for c in range(11, 14):
        await attempt("exhibition_team", exhibition().run(task=f"Plan a show, case {c}"))
    for c in range(21, 24):
        await attempt("director", director().run(task=f"A letter for the press, case {c}"))


asyncio.run(main())
tp.shutdown()
print(brain.dump({"tools_run": ran, "outcomes": outcomes}))
