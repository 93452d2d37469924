"""Event catering on AG2 1.x, its own TelemetryMiddleware and hub tracing.

Part 1, agents as tools: event_planner -> menu_chef (tool task_menu_chef), venue_scout (tool find_venue)
Part 2, hub workflow "complaint" (handoff tools): a guest (human) -> complaints_host -> kitchen_lead | billing_clerk;
        kitchen_lead -> billing_clerk
Part 3, a consulting channel: kitchen_lead, asked directly, asks food_lab with the network's own delegate tool
"""
import asyncio
from fakellm import Brain, FakeLLM, call, case_of, fail, text
from otelboot import setup

tp = setup("event-catering")
from ag2 import Agent, tool
from ag2.config import OpenAIConfig
from ag2.knowledge import MemoryKnowledgeStore
from ag2.middleware import RetryMiddleware, TelemetryMiddleware
from ag2.network import (AgentTarget, Finish, FromSpeaker, Handoff, Hub, HubClient, LocalLink, Passport, Transition,
                         TransitionGraph)
from ag2.network.hub import HubTelemetryListener

brain = Brain()
llm = FakeLLM(brain).start()
ran, outcomes = {}, {}


def config(m):
    return OpenAIConfig(model=m, api_key="x", base_url=llm.url + "/v1", max_retries=0)


def count(k, bad=False):
    c = ran.setdefault(k, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += bad


@tool
def price_dish(dish: str) -> str:
    """Price a dish at the wholesaler."""
    bad = case_of(dish) in (2, 6)
    count("price_dish", bad)
    if bad:
        raise ConnectionError("wholesaler: connection refused")
    return "4 EUR"


@tool
def price_dish_from_list(dish: str) -> str:
    """Price a dish from last month's list."""
    count("price_dish_from_list")
    return "5 EUR"


@tool
def check_venue(place: str) -> str:
    """Is a venue free?"""
    count("check_venue")
    return "free"


@tool
def read_fridge_log(day: str) -> str:
    """Read the fridge's log."""
    bad = case_of(day) == 13
    count("read_fridge_log", bad)
    if bad:
        raise OSError("fridge log: no such file")
    return "4 degrees"


@tool
def trace_batch(batch: str) -> str:
    """Where a batch came from."""
    bad = case_of(batch) == 22
    count("trace_batch", bad)
    if bad:
        raise TimeoutError("batch register: timed out")
    return "from Kiel"


@tool
def to_kitchen(reason: str) -> Handoff:
    """Hand over to the kitchen."""
    count("to_kitchen")
    return Handoff(target="kitchen_lead", reason=reason)


@tool
def to_billing(reason: str) -> Handoff:
    """Hand over to billing."""
    count("to_billing")
    return Handoff(target="billing_clerk", reason=reason)


@tool
def send_voucher(amount: float) -> Finish:
    """Send a voucher and end the case."""
    count("send_voucher")
    return Finish(reason="voucher sent", summary="20 EUR")


@brain.on("You plan events", "event_planner")
def _(r):
    c = case_of(r.first_user)
    if c == 5:
        return fail(500)
    if not r.did("task_menu_chef"):
        return call("task_menu_chef", objective=f"Make a menu for case {c}")
    n = len(r.did("find_venue"))
    if n == 0 or (c == 4 and n == 1):
        return call("find_venue", objective=f"Find a place for case {c}, attempt {n + 1}")
    return text("Planned.")


@brain.on("You make menus", "menu_chef")
def _(r):
    c = case_of(r.first_user)
    if not r.did("price_dish"):
        return call("price_dish", dish=f"soup of case-{c}")
    if c in (2, 6) and not r.did("price_dish_from_list"):
        return call("price_dish_from_list", dish=f"soup of case-{c}")
    return text("Soup.")


busy = {"left": 1}


@brain.on("You scout venues", "venue_scout")
def _(r):
    if "case 4, attempt 1" in r.first_user:
        return fail(400, "context length exceeded")
    return call("check_venue", place="town hall") if not r.n else text("The town hall.")


@brain.on("You welcome complaints", "complaints_host")
def _(r):
    if r.n:
        return text("Handed over.")
    return call("to_billing", reason="money") if case_of(r.first_user) == 12 else call("to_kitchen", reason="food")


@brain.on("You lead the kitchen", "kitchen_lead")
def _(r):
    c = case_of(r.all)
    if c > 20:
        return call("delegate", target="food_lab", prompt=f"Test the sample of case {c}", timeout=2) if not r.did("delegate") else text("Sample checked.")
    if not r.did("read_fridge_log"):
        return call("read_fridge_log", day=f"case-{c}")
    return call("to_billing", reason="compensate") if not r.did("to_billing") else text("Over to billing.")


@brain.on("You test food samples", "food_lab")
def _(r):
    c = case_of(r.first_user)
    if c == 23:
        return fail(500)
    return call("trace_batch", batch=f"case-{c}") if not r.n else text("Salt level too high.")


@brain.on("You compensate guests", "billing_clerk")
def _(r):
    if case_of(r.all) == 11 and busy["left"]:
        busy["left"] = 0
        return fail(500)
    return call("send_voucher", amount=20) if not r.n else text("Voucher sent.")


def agent(name, m, what, tools=(), known=True, retry=0):
    """known: the middleware is told provider and model; else it reads them from the answers."""
    t = TelemetryMiddleware(agent_name=name, provider_name="openai", model_name=m) if known else TelemetryMiddleware(agent_name=name)
    return Agent(name, what, config=config(m), tools=list(tools), middleware=([RetryMiddleware(max_retries=retry)] if retry else []) + [t])


async def attempt(flow, coro):
    o = outcomes.setdefault(flow, {"runs": 0, "failed": 0})
    o["runs"] += 1
    try:
        print(flow, str(await coro)[:100].replace("\n", " "))
    except Exception as e:
        print(flow, "FAILED", type(e).__name__, str(e)[:150])
        o["failed"] += 1


async def ask(a, q):
    return (await a.ask(q)).body


async def complaint(hub, guest, ids, c):
    g = TransitionGraph(initial_speaker=guest.agent_id, max_turns=8,
                        transitions=[Transition(when=FromSpeaker(guest.agent_id), then=AgentTarget(ids["complaints_host"]))])
    ch = await guest.open(type="workflow", target=["complaints_host", "kitchen_lead", "billing_clerk"], intent="complaint", knobs={"graph": g.to_dict()})
    await ch.send(f"The soup was cold, case {c}")
    for _ in range(100):
        await asyncio.sleep(0.05)
        m = await ch.info()
        if ch.is_terminal():
            return f"{m.state} {m.close_reason}"
    raise TimeoutError("complaint not closed")


async def main():
    chef = agent("menu_chef", "gpt-4o-mini", "You make menus.", [price_dish, price_dish_from_list])
    scout = agent("venue_scout", "gpt-4o-mini", "You scout venues.", [check_venue])
    planner = agent("event_planner", "gpt-4o", "You plan events.", [chef.as_tool(description="Makes menus"), scout.as_tool(name="find_venue", description="Finds venues")])
    for c in range(1, 8):
        await attempt("event_planner", ask(planner, f"A party for 40, case {c}"))

    store = MemoryKnowledgeStore()
    hub = await Hub.open(store, tracer_provider=tp, expectation_sweep_interval=0)
    hub.register_listener(HubTelemetryListener(store, tracer_provider=tp))
    hc = HubClient(LocalLink(hub), hub=hub)
    ids, kitchen = {}, None
    for a in (agent("complaints_host", "gpt-4o-mini", "You welcome complaints.", [to_kitchen, to_billing], known=False),
              agent("kitchen_lead", "gpt-4o", "You lead the kitchen.", [read_fridge_log, to_billing], known=False),
              agent("food_lab", "gpt-4o-mini", "You test food samples.", [trace_batch]),
              agent("billing_clerk", "gpt-4o", "You compensate guests.", [send_voucher], retry=2)):
        kitchen = a if a.name == "kitchen_lead" else kitchen
        ids[a.name] = (await hub.register(a)).agent_id
    guest = await hc.register_human(Passport(name="guest"))
    for c in range(11, 15):
        await attempt("complaint", complaint(hub, guest, ids, c))
    for c in range(21, 24):
        await attempt("sample_check", ask(kitchen, f"Have a sample tested, case {c}"))
    for i in ids.values():
        await hub.unregister(i)
    await hub.close()


asyncio.run(main())
tp.shutdown()
print(brain.dump({"tools_run": ran, "outcomes": outcomes}))
