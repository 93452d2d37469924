"""Event catering on the Langfuse Python SDK: decorators, manual observations, OpenAI wrapper, LangChain callback.

event_planner (@observe as_type="agent") calls venue_scout and menu_designer (agents as functions); the finished offer is
written by invitation_writer, a LangChain agent with Langfuse's CallbackHandler.
venue_scout: search_venues fails for some cases, then venue_directory is taken. menu_designer: its model fails once and is asked
again in case 3, and fails for good in case 5 (the run fails). price_menu makes a hand-written generation (start_as_current_observation).
"""
import os
os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-x", LANGFUSE_SECRET_KEY="sk-lf-x", LANGFUSE_BASE_URL=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
                  OTEL_SERVICE_NAME="catering-desk", LANGFUSE_TRACING_ENVIRONMENT="production", LANGFUSE_RELEASE="2.3.0", LANGCHAIN_TRACING_V2="false")
import httpx
from fakellm import Brain, FakeLLM, call, case_of, fail, text

brain = Brain()
llm = FakeLLM(brain).start()
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langfuse import get_client, observe, propagate_attributes
from langfuse.langchain import CallbackHandler
from langfuse.openai import OpenAI

lf = get_client()
client = OpenAI(base_url=llm.url + "/v1", api_key="x", max_retries=0)
ran = {}


def count(name, err=False):
    c = ran.setdefault(name, {"calls": 0, "errors": 0})
    c["calls"] += 1
    c["errors"] += err


def ask(system, user, model="gpt-4o", **kw):
    return client.chat.completions.create(model=model, messages=[{"role": "system", "content": system}, {"role": "user", "content": user}], **kw).choices[0].message.content


@observe(as_type="tool")
def search_venues(city):
    bad = case_of(city) in (2, 4)
    count("search_venues", bad)
    if bad:
        raise TimeoutError("venue API timed out")
    return ["Old Mill", "Harbour Hall"]


@observe(as_type="tool")
def venue_directory(city):
    count("venue_directory")
    return ["Town Hall"]


@observe(as_type="retriever")
def past_events(guests):
    count("past_events")
    return ["wedding 2024", "gala 2025"]


@observe(as_type="tool")
def price_menu(menu):
    count("price_menu")
    with lf.start_as_current_observation(name="price_estimate", as_type="generation", model="gpt-4.1-mini", input=menu) as gen:
        r = httpx.post(llm.url + "/v1/chat/completions", json={"model": "gpt-4.1-mini", "messages": [{"role": "system", "content": "You estimate prices."}, {"role": "user", "content": menu}]}).json()
        gen.update(output=r["choices"][0]["message"]["content"], usage_details={"input": r["usage"]["prompt_tokens"], "output": r["usage"]["completion_tokens"]})
    return r["choices"][0]["message"]["content"]


@observe(as_type="guardrail")
def allergy_check(menu):
    count("allergy_check")
    return "nuts" not in menu


@observe(as_type="agent")
def venue_scout(request):
    count("venue_scout")
    city = ask("You scout venues.", request, "gpt-4o-mini")
    try:
        found = search_venues(city)
    except TimeoutError:
        found = venue_directory(city)
    return ask("You scout venues.", f"{request}: choose from {found}", "gpt-4o-mini")


@observe(as_type="agent")
def menu_designer(request):
    count("menu_designer", case_of(request) == 5)
    past_events(80)
    try:
        menu = ask("You design menus.", request)
    except Exception:
        menu = ask("You design menus.", request)
    allergy_check(menu)
    return menu + price_menu(f"{menu}, {request}")


@tool
def guest_list(event: str) -> str:
    """The guests of an event."""
    count("guest_list")
    return "80 guests"


@tool
def send_invitation(draft: str) -> str:
    """Send the invitation out."""
    count("send_invitation")
    return "sent"


writer = create_agent(ChatOpenAI(model="gpt-4o-mini", base_url=llm.url + "/v1", api_key="x", max_retries=0), [guest_list, send_invitation], system_prompt="You write invitations.", name="invitation_writer")


@observe(name="event_planner", as_type="agent")
def plan(request):
    todo = ask("You plan events.", request)
    venue = venue_scout(request)
    menu = menu_designer(request) if "menu" in todo else ""
    if "invite" in todo:
        count("invitation_writer")
        writer.invoke({"messages": [("user", f"Invite to {request}")]}, {"callbacks": [CallbackHandler()]})
    return venue + menu


@brain.on("You plan events", "event_planner")
def _(r):
    return text("venue" if case_of(r.first_user) == 6 else "venue, menu" if case_of(r.first_user) == 7 else "venue, menu, invite")


@brain.on("You scout venues", "venue_scout")
def _(r):
    return text("Old Mill" if "choose" in r.first_user else f"Bremen, case {case_of(r.first_user)}")


@brain.on("You design menus", "menu_designer")
def _(r):
    c = case_of(r.first_user)
    seen[c] = seen.get(c, 0) + 1
    return fail(500) if c == 5 or (c == 3 and seen[c] == 1) else text("soup and fish")


@brain.on("You estimate prices", "price_menu")
def _(r):
    return text("38 EUR a head")


@brain.on("You write invitations", "invitation_writer")
def _(r):
    return call("guest_list", event="e1") if not r.n else call("send_invitation", draft="Come!") if r.n == 1 else text("Sent.")


seen, o = {}, {"ok": 0, "failed": 0}
for c in range(1, 8):
    try:
        with propagate_attributes(session_id=f"s-{c % 3}", user_id=f"u-{c}", tags=["catering"]):
            plan(f"Summer party, case {c}")
        o["ok"] += 1
    except Exception as e:
        print(c, type(e), str(e)[:100])
        o["failed"] += 1
lf.flush()
lf.shutdown()
print(brain.dump({"outcomes": o, "ran": ran}))
