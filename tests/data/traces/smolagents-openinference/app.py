"""Event planning with smolagents: a CodeAgent that manages ToolCallingAgents; openinference-instrumentation-smolagents.

events_manager (CodeAgent; book_venue) -> venue_scout (search_venues, check_availability) -> travel_estimator (train_time)
                                       -> catering_planner (menu_prices, menu_prices_archive)
                                       -> budget_clerk (convert_currency), which is also run on its own
Failures: see the cases in the scripts below.
"""
from collections import Counter

from fakellm import Brain, FakeLLM, call, calls, case_of, fail, text
from otelboot import setup

tp = setup("event-planning")
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
SmolagentsInstrumentor().instrument(tracer_provider=tp)

from smolagents import CodeAgent, LogLevel, OpenAIServerModel, ToolCallingAgent, tool

brain = Brain()
llm = FakeLLM(brain).start()
done, tries, turn = Counter(), Counter(), Counter()


def model(name):
    return OpenAIServerModel(name, api_base=llm.url + "/v1", api_key="x", client_kwargs={"max_retries": 0})


def ran(name, broken=None):
    done[name] += 1
    if broken:
        done[name + " ERROR"] += 1
        raise broken


@tool
def book_venue(venue: str) -> str:
    """Books a venue.

    Args:
        venue: The venue.
    """
    ran("book_venue")
    return "booking B-77"


@tool
def search_venues(town: str) -> str:
    """Searches venues.

    Args:
        town: The town.
    """
    ran("search_venues")
    return "Old Mill, Harbour Hall"


@tool
def check_availability(venue: str) -> str:
    """Asks whether a venue is free.

    Args:
        venue: The venue.
    """
    ran("check_availability", ConnectionError("calendar is down") if now == 3 and venue == "Old Mill" else None)
    return "free"


@tool
def train_time(place: str) -> str:
    """How long the train takes.

    Args:
        place: Where to.
    """
    ran("train_time")
    return "50 minutes"


@tool
def menu_prices(menu: str) -> str:
    """Prices of a menu.

    Args:
        menu: The menu.
    """
    ran("menu_prices", TimeoutError("caterer's site timed out") if now == 5 else None)
    return "31 per head"


@tool
def menu_prices_archive(menu: str) -> str:
    """Last year's prices of a menu.

    Args:
        menu: The menu.
    """
    ran("menu_prices_archive")
    return "29 per head"


@tool
def convert_currency(amount: float) -> str:
    """Converts an amount to francs.

    Args:
        amount: The amount.
    """
    ran("convert_currency")
    return "2900"


def agent(name, mind, tools, model_name="gpt-4o-mini", team=None, cls=ToolCallingAgent):
    return cls(tools=tools, model=model(model_name), name=name, description=name.replace("_", " "), instructions=mind, managed_agents=team, max_steps=6, verbosity_level=LogLevel.OFF)


travel_estimator = agent("travel_estimator", "Mind: travel.", [train_time])
venue_scout = agent("venue_scout", "Mind: venues.", [search_venues, check_availability], team=[travel_estimator])
catering_planner = agent("catering_planner", "Mind: catering.", [menu_prices, menu_prices_archive])
budget_clerk = agent("budget_clerk", "Mind: budget.", [convert_currency])
events_manager = agent("events_manager", "Mind: manager.", [book_venue], "gpt-4o", [venue_scout, catering_planner, budget_clerk], CodeAgent)


def code(s):
    return text("Thought: next step.\n<code>\n" + s + "\n</code>")


def step(who, acts):  # the next act of this run of this mind
    turn[who] += 1
    act = acts[turn[who] - 1]
    turn[who] %= len(acts)
    return act


@brain.on("Mind: manager.", "events_manager")
def _(r):
    if now == 6:
        return fail(500)
    steps = ['place = venue_scout(task="Find a venue")\nprint(place)', 'food = catering_planner(task="Plan a dinner")\nprint(food)']
    if now == 4:  # the first time fails, it asks the planner again
        steps.append(steps[1])
    if now in (2, 7):
        steps.append('money = budget_clerk(task="Budget for 90 guests")\nprint(money)')
    steps.append('done = book_venue(venue="Old Mill")\nfinal_answer("Booked, " + done)')
    return code(steps[r.n_assistant])


@brain.on("Mind: venues.", "venue_scout")
def _(r):
    acts = [call("search_venues", town="Basel"), call("check_availability", venue="Old Mill")]
    if now == 3:
        acts.append(call("check_availability", venue="Harbour Hall"))
    if now in (1, 7):
        acts[1] = calls(acts[1], call("check_availability", venue="Harbour Hall"))
        acts.append(call("travel_estimator", task="How long is the journey?"))
    acts.append(call("final_answer", answer="Old Mill is free."))
    return step("venue_scout", acts)


@brain.on("Mind: travel.", "travel_estimator")
def _(r):
    return step("travel_estimator", [call("train_time", place="Old Mill"), call("final_answer", answer="50 minutes")])


@brain.on("Mind: catering.", "catering_planner")
def _(r):
    tries[now] += 1
    if now == 4 and tries[now] == 1:
        return fail(503)
    acts = [call("menu_prices", menu="dinner")] + ([call("menu_prices_archive", menu="dinner")] if now == 5 else []) + [call("final_answer", answer="A dinner.")]
    return step("catering_planner", acts)


@brain.on("Mind: budget.", "budget_clerk")
def _(r):
    return step("budget_clerk", [call("convert_currency", amount=2790.0), call("final_answer", answer="2900 francs")])


o = Counter()
for now in range(1, 10):
    who = events_manager if now < 8 else budget_clerk
    try:
        print(now, who.run(f"A summer party, case {now}"))
        o[who.name + " ok"] += 1
    except Exception as e:
        print(now, type(e), str(e)[:200])
        o[who.name + " failed"] += 1
tp.shutdown()
print(brain.dump({"outcomes": o, "done": done}))
